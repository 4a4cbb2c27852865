"""Writes golden.json: what the reference makes of pseudo-random blocks.

    pip install gguf==0.19.0 numpy==2.4.6 && python make.py

For each format: SEED and the format's number start SplitMix64, whose lowest bytes are the blocks. `hash` is FNV-1a (64 bit)
over the results' bits as little-endian words, every NaN written as 7fc00000; `first` are the first results' bits.
Formats that the reference does not read are computed here from their definition, and marked.
"""

import json
import pathlib

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

SEED = 2026
BLOCKS = 96
MASK = (1 << 64) - 1


def random_words(seed, count):
    words = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        mixed = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        words.append(mixed ^ (mixed >> 31))
    return words


def bits(values):
    values = np.ascontiguousarray(values, dtype=np.float32).ravel()
    out = values.view(np.uint32).copy()
    out[np.isnan(values)] = 0x7FC00000
    return out


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return f"{value:016x}"


def by_definition(name, blocks):
    if name == "F64":
        return blocks.view(np.float64).astype(np.float32)
    if name == "Q8_1":
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        return scale * blocks[:, 4:].copy().view(np.int8).astype(np.float32)
    if name == "Q8_K":
        scale = blocks[:, :4].copy().view(np.float32)
        return scale * blocks[:, 4:260].copy().view(np.int8).astype(np.float32)
    if name == "Q1_0":
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        signs = np.unpackbits(blocks[:, 2:], axis=1, bitorder="little").astype(np.float32) * 2 - 1
        return scale * signs
    raise ValueError(name)


FORMATS = [
    (0, "F32", 1, 4), (1, "F16", 1, 2), (2, "Q4_0", 32, 18), (3, "Q4_1", 32, 20), (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24), (8, "Q8_0", 32, 34), (9, "Q8_1", 32, 36), (10, "Q2_K", 256, 84), (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144), (13, "Q5_K", 256, 176), (14, "Q6_K", 256, 210), (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66), (17, "IQ2_XS", 256, 74), (18, "IQ3_XXS", 256, 98), (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18), (21, "IQ3_S", 256, 110), (22, "IQ2_S", 256, 82), (23, "IQ4_XS", 256, 136),
    (28, "F64", 1, 8), (29, "IQ1_M", 256, 56), (30, "BF16", 1, 2), (34, "TQ1_0", 256, 54), (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17), (40, "NVFP4", 64, 36), (41, "Q1_0", 128, 18),
]

np.seterr(all="ignore")
read = []
for number, name, length, size in FORMATS:
    words = random_words(SEED + number, BLOCKS * size)
    blocks = np.array([word & 255 for word in words], dtype=np.uint8).reshape(BLOCKS, size)
    known = hasattr(Type, name) and name not in ("F64", "Q8_1", "Q8_K", "Q1_0")
    if known:
        assert GGML_QUANT_SIZES[Type[name]] == (length, size), name
        values = dequantize(blocks, Type[name])
    else:
        values = by_definition(name, blocks)
    values = bits(values)
    assert len(values) == BLOCKS * length, name
    read.append({
        "format": name,
        "reference": known,
        "hash": fnv(values.astype("<u4").tobytes()),
        "first": [f"{value:08x}" for value in values[:8]],
    })

written = []
for name in ("F16", "BF16", "Q8_0", "Q4_0"):
    words = random_words(SEED + 1000, 4096)
    # Numbers from -4 to 4 in steps that no format hits, with a block of zeros.
    values = ((np.array(words, dtype=np.uint64) % 800001).astype(np.float64) / 100000 - 4).astype(np.float32)
    values[64:96] = 0
    packed = quantize(values.reshape(1, -1), Type[name]).view(np.uint8).ravel()
    written.append({"format": name, "hash": fnv(packed.tobytes())})

text = json.dumps({"blocks": BLOCKS, "seed": SEED, "read": read, "written": written}, indent=1)
pathlib.Path(__file__).with_name("golden.json").write_text(text + "\n")
