#!/usr/bin/env python3
"""Makes the golden values beside this file: what llama.cpp and transformers compute with the synthetic models.

    python -m venv reference && . reference/bin/activate
    pip install numpy llama-cpp-python==0.3.36 torch==2.15.0 transformers==5.23.0
    cargo run -p athenaeum-inference --features testing --example synthetic -- MODELS
    python crates/inference/tests/golden/make.py MODELS [RECIPE ...]

llama.cpp computes every file twice: as it is, and with its weights dequantized to F32 by llama.cpp itself, with keys
and values in F32. The second is the golden value; how far the first is from it (`native`) shows what llama.cpp's own
kernels make of the format, since they round activations too. F32, F16, BF16 and Q8_0 files hold the same numbers and
share one golden value, `exact`.

Greedy text begins with one of some prompts after which llama.cpp's own rounding does not change the text either. Of
those it is one after which the best logit is always further from the second best (`margin`) than its rounding moves any
logit, and whose text has many different tokens; or, where there is none, the one with the largest margin. Where llama.cpp's
rounding changes the text after every prompt, it is left out of account.

Some files (`ROUNDED`) have a second text: llama.cpp's own, with its rounding, where that and ours part too often to give
the same text as without. It begins with the prompt after which llama.cpp is surest of it, whether it computes token by
token or all of it at once. `usual` tells what becomes of that text where llama.cpp computes attention as it does unless
told otherwise, flash attention over keys and values in F16: by how much its tokens miss being the best ones, at most, and
the first that does. Whoever misses the text by less is as near to llama.cpp as llama.cpp is.
"""

import ctypes
import json
import pathlib
import sys
import tempfile

import llama_cpp as llama
import numpy as np

TOKENS = 384
CONTEXT = 512
# More than two batches of the 64 that llama.cpp computes at once, and beyond all windows and original contexts.
SEQUENCE = [1] + [3 + (i * i * 7 + i * 31 + 11) % 381 for i in range(1, 160)]
POSITIONS = [0, 1, 31, 63, 64, 100, 159]
IDS = list(range(5, TOKENS, 12))
GREEDY = 256
PROMPTS = 192
# So many different tokens that nobody could guess the text.
VARIED = 16
# Files that have a text with llama.cpp's rounding as well, after one of so many prompts.
ROUNDED = {
    "gemma3": ["Q8_0", "Q4_0", "Q4_K_M"],
    "llama": ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S"],
    "olmo3": ["Q8_0", "Q4_0", "Q4_K_M"],
    "olmoe": ["Q4_K_M"],
    "phi4-mini": ["Q4_K_M"],
    "qwen2moe": ["Q4_K_M"],
}
PROMPTS_ROUNDED = 1000


def prompt(seed):
    return [1] + [3 + (seed * 97 + i * i * 13 + i * seed * 5 + i**3 * (seed // 381)) % 381 for i in range(1, 8)]


@llama.llama_log_callback
def silent(level, text, data):
    if level >= 4 and b"deprecat" not in text:
        sys.stderr.write(text.decode(errors="replace"))


class Llama:
    """A model as llama.cpp computes it on processors, without anything approximate that can be switched off.

    With `usual`, attention is what llama.cpp makes of it unless told otherwise."""

    def __init__(self, path, usual=False):
        params = llama.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = llama.llama_model_load_from_file(str(path).encode(), params)
        assert self.model, path
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = CONTEXT, CONTEXT, 64
        params.n_threads = params.n_threads_batch = 1
        if not usual:
            params.type_k = params.type_v = 0
            params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama.llama_init_from_model(self.model, params)
        assert self.context, path
        self.batch = llama.llama_batch_init(CONTEXT, 0, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        llama.llama_batch_free(self.batch)
        llama.llama_free(self.context)
        llama.llama_model_free(self.model)

    def compute(self, tokens, start):
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, start + i, 1
            batch.seq_id[i][0], batch.logits[i] = 0, 1
        assert llama.llama_decode(self.context, batch) == 0
        rows = [llama.llama_get_logits_ith(self.context, i) for i in range(len(tokens))]
        return np.stack([np.ctypeslib.as_array(row, (TOKENS,)).copy() for row in rows])

    def forget(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)

    def logits(self, tokens):
        self.forget()
        return self.compute(tokens, 0)

    def greedy(self, tokens, give_up=-1.0):
        """Returns the text and the least distance of the best logit to the next, or None where that is too little."""
        self.forget()
        row, text, margin = self.compute(tokens, 0)[-1], [], np.inf
        for position in range(len(tokens), len(tokens) + GREEDY):
            second, best = np.sort(np.partition(row, -2)[-2:])
            margin = min(margin, float(best - second))
            if margin <= give_up:
                return None
            text.append(int(row.argmax()))
            row = self.compute([text[-1]], position)[0]
        return text, margin


def dequantized(path, folder):
    to = pathlib.Path(folder) / "dequantized.gguf"
    params = llama.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize, params.nthread = 0, True, 1
    assert llama.llama_model_quantize(str(path).encode(), str(to).encode(), ctypes.byref(params)) == 0, path
    return to


def chosen(logits):
    """What is kept of the logits of a sequence."""
    return {
        "logits": [[float(f"{logits[p, i]:.6g}") for i in IDS] for p in POSITIONS],
        "root_mean_square": [float(f"{np.sqrt((logits[p].astype(np.float64) ** 2).mean()):.7g}") for p in POSITIONS],
        "best": [int(logits[p].argmax()) for p in POSITIONS],
    }


def best_greedy(exact, as_they_are, enough):
    """Greedy text that comes out of all models alike; see above for the choice. `enough`: a margin that will do."""
    best = {"margin": 0.0, "text": []}
    for seed in range(PROMPTS):
        found = exact.greedy(prompt(seed), min(best["margin"], enough))
        if not found or any(model.greedy(prompt(seed))[0] != found[0] for model in as_they_are):
            continue
        text, margin = found
        better = margin > best["margin"] if margin < enough else len(set(text)) > len(set(best["text"]))
        if better or best["margin"] < enough <= margin:
            best = {"prompt": prompt(seed), "margin": float(f"{margin:.4g}"), "text": text}
        if margin >= enough and len(set(text)) >= VARIED:
            break
    return best if best["text"] else best_greedy(exact, [], enough)


def surest(model):
    """Greedy text of a model as it is, of more than one token, after the prompt with the largest margin."""
    best = {"margin": 0.0}
    for seed in range(PROMPTS_ROUNDED):
        found = model.greedy(prompt(seed), best["margin"])
        if not found or len(set(found[0])) == 1:
            continue
        text, margin = found
        rows = model.logits(prompt(seed) + text)[len(prompt(seed)) - 1 : -1]
        second, first = np.sort(np.partition(rows, -2)[:, -2:]).T
        margin = min(margin, float((first - second).min()))
        if rows.argmax(-1).tolist() == text and margin > best["margin"]:
            best = {"prompt": prompt(seed), "margin": float(f"{margin:.4g}"), "text": text}
    return best


def usual(path, text):
    """How a text fares where attention is computed as usual, token by token."""
    tokens, first = text["prompt"] + text["text"], len(text["prompt"]) - 1
    with Llama(path, usual=True) as model:
        rows = np.concatenate([model.compute([token], position) for position, token in enumerate(tokens)])[first:-1]
    missed = rows.max(-1) - rows[np.arange(GREEDY), text["text"]]
    return {"missed": float(f"{missed.max():.4g}"), "first": int((missed > 0).argmax()) if missed.max() else None}


def worst(a, b):
    return float(f"{np.abs(a - b).max():.3g}")


def checkpoint(folder):
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    missing = [name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()]
    assert not missing, missing
    model.eval()

    def logits(tokens):
        with torch.no_grad():
            return model(torch.tensor([tokens]), use_cache=False).logits[0].float().numpy()

    return logits


def own_greedy(logits, prompt):
    """Greedy text of transformers, where a checkpoint says more than its GGUF file does."""
    text, margin = [], np.inf
    while len(text) < GREEDY:
        row = logits(prompt + text)[-1]
        second, best = np.sort(np.partition(row, -2)[-2:])
        margin = min(margin, float(best - second))
        text.append(int(row.argmax()))
    return {"prompt": prompt, "margin": float(f"{margin:.4g}"), "text": text}


def make(models, name):
    golden = {}
    with Llama(models / f"{name}.F32.gguf") as model, Llama(models / f"{name}.Q8_0.gguf") as other:
        logits = model.logits(SEQUENCE)
        text = best_greedy(model, [other], worst(logits, other.logits(SEQUENCE)))
        golden["exact"] = {**chosen(logits), "greedy": text}
    theirs = checkpoint(models / name)
    hf = theirs(SEQUENCE)
    golden["checkpoint"] = {**chosen(hf), "from_llama_cpp": worst(hf, logits)}
    greedy = golden["exact"]["greedy"]
    whole = theirs(greedy["prompt"] + greedy["text"])
    follows = whole[len(greedy["prompt"]) - 1 : -1].argmax(-1).tolist() == greedy["text"]
    golden["checkpoint"]["same_greedy"] = follows
    if not follows:
        golden["checkpoint"]["greedy"] = own_greedy(theirs, greedy["prompt"])
    report = [f"{name}: spread {logits.std():.3g}, margin {greedy['margin']}, transformers {worst(hf, logits)} {follows}"]
    native = {}
    for path in sorted(models.glob(f"{name}.*.gguf")):
        storage = path.name.split(".")[1]
        with Llama(path) as model:
            as_is = model.logits(SEQUENCE)
            if storage in ("F32", "F16", "BF16", "Q8_0"):
                exact, greedy = logits, golden["exact"]["greedy"]
            else:
                with tempfile.TemporaryDirectory() as folder, Llama(dequantized(path, folder)) as other:
                    exact = other.logits(SEQUENCE)
                    golden[storage] = {**chosen(exact), "greedy": best_greedy(other, [model], worst(as_is, exact))}
                    greedy = golden[storage]["greedy"]
            same = model.greedy(greedy["prompt"])[0] == greedy["text"]
            native[storage] = {"worst": worst(as_is, exact), "same_greedy": same}
            if storage in ROUNDED.get(name, []):
                native[storage]["greedy"] = surest(model)
                native[storage]["greedy"]["usual"] = usual(path, native[storage]["greedy"])
        report.append(f"  {storage}: spread {exact.std():.3g}, native {native[storage]}, margin {greedy['margin']}")
    golden["native"] = native
    to = pathlib.Path(__file__).parent / f"{name}.json"
    body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in golden.items())
    to.write_text(f"{{\n{body}\n}}\n")
    print("\n".join(report), flush=True)


def main():
    models = pathlib.Path(sys.argv[1])
    names = sys.argv[2:] or sorted(path.name for path in models.iterdir() if path.is_dir())
    llama.llama_log_set(silent, ctypes.c_void_p(0))
    llama.llama_backend_init()
    about = {
        "made_by": "crates/inference/tests/golden/make.py, which says how",
        "llama-cpp-python": llama.__version__,
        "sequence": SEQUENCE,
        "positions": POSITIONS,
        "ids": IDS,
    }
    import torch
    import transformers

    about["torch"], about["transformers"] = torch.__version__, transformers.__version__
    (pathlib.Path(__file__).parent / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    for name in names:
        make(models, name)


main()
