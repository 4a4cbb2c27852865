#!/usr/bin/env python3
"""Makes vision.json: what transformers and Pillow compute of a picture with the synthetic encoders, and of a prompt with it.

    python -m venv reference && . reference/bin/activate
    pip install numpy torch==2.15.0 transformers==5.23.0 pillow==13.0.0 gguf==0.19.0
    cargo run -p athenaeum-inference --features testing --example synthetic -- MODELS
    python crates/inference/tests/golden/vision.py MODELS

The weights come from the files as llama.cpp's readers see them (gguf-py), so that their layout is compared as well.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from gguf import GGUFReader
from PIL import Image

models = pathlib.Path(sys.argv[1])
SIZE, PATCH, WIDTH, HEADS, FEED_FORWARD, LAYERS, MERGED = 32, 8, 32, 2, 48, 2, 2
BEFORE, BEHIND = [1, 40, 90, 263, 17], [301, 22, 107, 350, 64, 9]
IDS = list(range(5, 384, 12))
# What llama.cpp leaves out of files of LLaVA's: the last block, which is not used.
KINDS = {"mlp": ("llama", 4), "idefics3": ("llama", 0), "gemma3": ("gemma3", 0)}


def picture(width, height):
    x, y, c = np.meshgrid(np.arange(width), np.arange(height), np.arange(3), indexing="xy")
    return Image.fromarray(((x * 7 + y * 13 + c * 29 + x * y) % 256).astype(np.uint8))


def pixels(kind, image):
    """The reference's own processor, without tiles and crops."""
    if kind == "mlp":
        side = {"height": SIZE, "width": SIZE}
        processor = transformers.models.llava.image_processing_pil_llava.LlavaImageProcessorPil(
            do_pad=True, size=side, crop_size=side, do_center_crop=False
        )
        return processor(image, return_tensors="pt")["pixel_values"]
    if kind == "gemma3":
        processor = transformers.models.gemma3.image_processing_pil_gemma3.Gemma3ImageProcessorPil(
            size={"height": SIZE, "width": SIZE}
        )
        return processor(image, return_tensors="pt")["pixel_values"]
    resized = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS), dtype=np.float32)
    return torch.from_numpy((resized / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]


def common():
    return dict(
        hidden_size=WIDTH,
        intermediate_size=FEED_FORWARD,
        num_attention_heads=HEADS,
        image_size=SIZE,
        patch_size=PATCH,
        layer_norm_eps=1e-6,
    )


def whole(kind, text):
    if kind == "mlp":
        # One block more than the file has: what is taken is the last one but one.
        vision = transformers.CLIPVisionConfig(num_hidden_layers=LAYERS + 1, hidden_act="quick_gelu", **common())
        config = transformers.LlavaConfig(vision_config=vision, text_config=text, image_token_id=383)
        return transformers.LlavaForConditionalGeneration(config)
    if kind == "gemma3":
        vision = transformers.SiglipVisionConfig(
            num_hidden_layers=LAYERS, hidden_act="gelu_pytorch_tanh", vision_use_head=False, **common()
        )
        config = transformers.Gemma3Config(
            vision_config=vision, text_config=text, image_token_id=383, mm_tokens_per_image=4
        )
        return transformers.Gemma3ForConditionalGeneration(config)
    vision = dict(num_hidden_layers=LAYERS, hidden_act="gelu_pytorch_tanh", **common())
    config = transformers.Idefics3Config(
        vision_config=vision, text_config=text, image_token_id=383, scale_factor=MERGED
    )
    return transformers.Idefics3ForConditionalGeneration(config)


NAMES = [
    ("v.class_embd", "embeddings.class_embedding"),
    ("v.patch_embd", "embeddings.patch_embedding"),
    ("v.position_embd", "embeddings.position_embedding"),
    ("v.pre_ln", "pre_layrnorm"),
    ("v.post_ln", "post_layernorm"),
    ("v.blk.", "encoder.layers."),
    (".ln1", ".layer_norm1"),
    (".ln2", ".layer_norm2"),
    (".attn_out", ".self_attn.out_proj"),
    (".attn_q", ".self_attn.q_proj"),
    (".attn_k", ".self_attn.k_proj"),
    (".attn_v", ".self_attn.v_proj"),
    (".ffn_up", ".mlp.fc1"),
    (".ffn_down", ".mlp.fc2"),
    ("mm.0", "multi_modal_projector.linear_1"),
    ("mm.2", "multi_modal_projector.linear_2"),
    ("mm.model.fc", "connector.modality_projection.proj"),
    ("mm.soft_emb_norm", "multi_modal_projector.mm_soft_emb_norm"),
    ("mm.input_projection.weight", "multi_modal_projector.mm_input_projection_weight"),
]


def load(model, file, text):
    state = model.state_dict()
    loaded = set()

    def put(ending, tensor):
        found = [name for name in state if name == ending or name.endswith("." + ending)]
        found = [name for name in found if not name.startswith("model.language_model") or ".vision" in name or ending.startswith("layers")]
        assert len(found) == 1, (ending, found)
        assert state[found[0]].shape == tensor.shape, (ending, state[found[0]].shape, tensor.shape)
        state[found[0]].copy_(tensor)
        loaded.add(found[0])

    for tensor in GGUFReader(file).tensors:
        name = tensor.name
        for ours, theirs in NAMES:
            name = name.replace(ours, theirs)
        numbers = torch.from_numpy(np.array(tensor.data))
        # What GGUF files add to Gemma's norms.
        put(name, numbers - 1 if "soft_emb_norm" in name else numbers)
    for name, tensor in text.items():
        theirs = [f"model.language_model.{name.removeprefix('model.')}", f"model.text_model.{name.removeprefix('model.')}", name]
        theirs = next((one for one in theirs if one in state), None)
        assert theirs, name
        state[theirs].copy_(tensor)
        loaded.add(theirs)
    left = [name for name in state if name not in loaded and f"layers.{LAYERS}." not in name]
    print("left as they were:", [name for name in left if "post_layernorm" not in name and "lm_head" not in name])
    model.load_state_dict(state)


def numbers(tensor):
    return [float(f"{number:.6g}") for number in tensor.flatten().tolist()]


golden = {"before": BEFORE, "behind": BEHIND, "ids": IDS, "sizes": [[40, 24], [24, 40], [32, 32], [90, 70]]}
for kind, (text, _) in KINDS.items():
    language = transformers.AutoModelForCausalLM.from_pretrained(models / text, dtype=torch.float32)
    model = whole(kind, language.config).float().eval()
    with torch.no_grad():
        load(model, models / f"mmproj-{kind}.gguf", language.state_dict())
        made = {"pixels": [], "rows": [], "logits": []}
        for width, height in golden["sizes"]:
            made["pixels"].append(numbers(pixels(kind, picture(width, height)).sum(dim=(0, 1))[::5, ::3]))
        image = pixels(kind, picture(40, 24))
        shown = image[:, None] if kind == "idefics3" else image
        rows = model.model.get_image_features(shown, return_dict=True).pooler_output
        rows = torch.cat(list(rows)) if isinstance(rows, (list, tuple)) else rows
        rows = rows.reshape(-1, rows.shape[-1])
        made["count"] = rows.shape[0]
        made["rows"] = numbers(rows[:, ::17])
        tokens = torch.tensor([BEFORE + [383] * rows.shape[0] + BEHIND])
        more = {"token_type_ids": (tokens == 383).long()} if kind == "gemma3" else {}
        logits = model(input_ids=tokens, pixel_values=shown, **more).logits[0]
        made["logits"] = numbers(logits[:, IDS])
    golden[kind] = made
path = pathlib.Path(__file__).with_name("vision.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(path, path.stat().st_size)
