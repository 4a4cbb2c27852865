#!/usr/bin/env python3
"""Makes encoders.json beside this file: what transformers and llama.cpp compute with the synthetic encoders.

    python -m venv reference && . reference/bin/activate
    pip install numpy llama-cpp-python==0.3.36 torch==2.15.0 transformers==5.23.0
    cargo run -p athenaeum-inference --example synthetic_encoders -- MODELS
    python crates/inference/tests/golden/encoders.py MODELS

Of each text some numbers of its first, middle and last token are kept, and the score, where the model has a head, of
the text alone and as a pair that is parted in the middle. llama.cpp takes an approximation for GELU and knows no pairs.
"""

import json
import pathlib
import sys

import llama_cpp as llama
import numpy as np
import torch
import transformers

WIDTH = 64
DIMS = list(range(3, WIDTH, 8))
torch.set_num_threads(1)


@llama.llama_log_callback
def silent(level, text, data):
    if level >= 4 and b"deprecat" not in text:
        sys.stderr.write(text.decode(errors="replace"))


llama.llama_log_set(silent, None)


def chosen(rows):
    rows = np.asarray(rows, dtype=np.float64)
    places = sorted({0, len(rows) // 2, len(rows) - 1})
    return {
        "places": places,
        "numbers": [[float(f"{rows[place, dim]:.7g}") for dim in DIMS] for place in places],
        "root_mean_square": float(f"{np.sqrt((rows ** 2).mean()):.7g}"),
    }


def checkpoint(folder, texts):
    config = json.loads((folder / "config.json").read_text())
    name = config["architectures"][0]
    model, info = getattr(transformers, name).from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True, dtype=torch.float32)
    missing = [key for key in info["missing_keys"] if "pooler" not in key or "Sequence" in name]
    assert not missing and not info["unexpected_keys"], info
    model.eval()
    scored = "Sequence" in name
    body = getattr(model, model.base_model_prefix) if scored else model
    found = []
    for text in texts:
        ids = torch.tensor([text])
        # Positions of the RoBERTa family hang on which tokens are padding; no text holds it.
        with torch.no_grad():
            one = chosen(body(input_ids=ids).last_hidden_state[0].numpy())
            if scored:
                one["score"] = float(f"{model(input_ids=ids).logits[0, 0].item():.7g}")
                kinds = torch.tensor([[int(i >= len(text) // 2) for i in range(len(text))]])
                if config.get("type_vocab_size", 2) > 1 and config["model_type"] == "bert":
                    one["pair_score"] = float(f"{model(input_ids=ids, token_type_ids=kinds).logits[0, 0].item():.7g}")
        found.append(one)
    return found


def llama_cpp(path, texts, pooling):
    params = llama.llama_model_default_params()
    params.n_gpu_layers = 0
    model = llama.llama_model_load_from_file(str(path).encode(), params)
    assert model, path
    params = llama.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 64
    params.n_threads = params.n_threads_batch = 1
    params.embeddings, params.pooling_type = True, pooling
    params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama.llama_init_from_model(model, params)
    assert context, path
    batch = llama.llama_batch_init(64, 0, 1)
    found = []
    for text in texts:
        batch.n_tokens = len(text)
        for i, token in enumerate(text):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, i, 1
            batch.seq_id[i][0], batch.logits[i] = 0, 1
        assert llama.llama_encode(context, batch) == 0
        if pooling == llama.LLAMA_POOLING_TYPE_RANK:
            found.append(float(llama.llama_get_embeddings_seq(context, 0)[0]))
        else:
            rows = [llama.llama_get_embeddings_ith(context, i) for i in range(len(text))]
            found.append(np.stack([np.ctypeslib.as_array(row, (WIDTH,)).copy() for row in rows]))
    llama.llama_batch_free(batch)
    llama.llama_free(context)
    llama.llama_model_free(model)
    return found


def main():
    models = pathlib.Path(sys.argv[1])
    texts = json.loads((models / "texts.json").read_text())
    golden = {
        "made_by": "crates/inference/tests/golden/encoders.py, which says how",
        "torch": torch.__version__, "transformers": transformers.__version__, "llama-cpp-python": llama.__version__,
        "dims": DIMS, "models": {},
    }
    names = sorted({path.name.removesuffix(".gguf") for path in models.iterdir() if path.name != "texts.json"})
    for name in names:
        one = golden["models"][name] = {}
        if (models / name).is_dir():
            one["transformers"] = checkpoint(models / name, texts)
        file = models / f"{name}.gguf"
        if file.exists():
            one["llama.cpp"] = [chosen(rows) for rows in llama_cpp(file, texts, llama.LLAMA_POOLING_TYPE_NONE)]
            if name.endswith("-scores"):
                for of_text, score in zip(one["llama.cpp"], llama_cpp(file, texts, llama.LLAMA_POOLING_TYPE_RANK)):
                    of_text["score"] = float(f"{score:.7g}")
        if len(one) == 2:
            apart = [abs(np.array(a["numbers"]) - np.array(b["numbers"])).max() for a, b in zip(*one.values())]
            print(name, "llama.cpp differs by", max(apart))
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, indent=1).replace("\n       ", "").replace("\n      ", "") + "\n")


main()
