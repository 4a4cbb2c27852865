"""The embedder's neighbour: all-MiniLM-L6-v2 in F32 by onnxruntime, the texts of `embed_speed`, 32 at once.

    pip install onnxruntime onnx safetensors tokenizers numpy
    python benches/neighbours/embed.py FOLDER [THREADS]

FOLDER is the published model (model.safetensors, tokenizer.json, config.json). The graph is built from its weights with the fused
operators that onnxruntime's own optimizer for transformers ends up with (Attention, SkipLayerNormalization, BiasGelu), so that
it is seen at its best. Prints texts per second of the clock and of processor time, making tokens included, and the first numbers of
one vector to compare.
"""

import json
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer

OURS = "com.microsoft"
PHRASE = "and where the river bends to the "


def graph(folder):
    config = json.load(open(f"{folder}/config.json"))
    weights = load_file(f"{folder}/model.safetensors")
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind, inputs, out, domain="", **attributes):
        nodes.append(helper.make_node(kind, inputs, [out], domain=domain, **attributes))
        return out

    words = weights["embeddings.word_embeddings.weight"]
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    word = node("Gather", [constant("words", words), "ids"], "word")
    place = node("Gather", [constant("places", places), "positions"], "place")
    x = node("Add", [word, place], "embedded")
    for part in ("weight", "bias"):
        constant(f"embeddings.{part}", weights[f"embeddings.LayerNorm.{part}"])
    x = node("LayerNormalization", [x, "embeddings.weight", "embeddings.bias"], "normed", epsilon=epsilon, axis=-1)
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"

        def get(part):
            return weights[f"{name}.{part}"]

        qkv = [f"attention.self.{part}" for part in ("query", "key", "value")]
        matrix = constant(f"{layer}.qkv", np.concatenate([get(f"{part}.weight").T for part in qkv], axis=1))
        bias = constant(f"{layer}.qkv.bias", np.concatenate([get(f"{part}.bias") for part in qkv]))
        seen = node("Attention", [x, matrix, bias, "mask"], f"{layer}.attention", OURS, num_heads=heads)

        def product(value, part):
            out = f"{layer}.{part}"
            return node("MatMul", [value, constant(f"{out}.weight", get(f"{part}.weight").T)], out)

        def norm(value, skip, part, bias_of):
            out = f"{layer}.{part}"
            inputs = [value, skip, constant(f"{out}.w", get(f"{part}.weight")), constant(f"{out}.b", get(f"{part}.bias"))]
            inputs.append(constant(f"{out}.bias", get(f"{bias_of}.bias")))
            return node("SkipLayerNormalization", inputs, out, OURS, epsilon=epsilon)

        x = norm(product(seen, "attention.output.dense"), x, "attention.output.LayerNorm", "attention.output.dense")
        up = product(x, "intermediate.dense")
        up = node("BiasGelu", [up, constant(f"{layer}.up.bias", get("intermediate.dense.bias"))], f"{layer}.gelu", OURS)
        x = norm(product(up, "output.dense"), x, "output.LayerNorm", "output.dense")
    shape = ["batch", "tokens"]
    inputs = [helper.make_tensor_value_info(n, t, shape) for n, t in
              (("ids", TensorProto.INT64), ("positions", TensorProto.INT64), ("mask", TensorProto.INT32))]
    outputs = [helper.make_tensor_value_info(x, TensorProto.FLOAT, [*shape, config["hidden_size"]])]
    whole = helper.make_graph(nodes, "minilm", inputs, outputs, constants)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(OURS, 1)]
    return helper.make_model(whole, opset_imports=imports, ir_version=8)


def main():
    folder = sys.argv[1]
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph(folder).SerializeToString(), options, ["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def embed(texts):
        encoded = tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded], dtype=np.int64)
        mask = np.array([one.attention_mask for one in encoded], dtype=np.int32)
        positions = np.broadcast_to(np.arange(ids.shape[1], dtype=np.int64), ids.shape)
        states = session.run(None, {"ids": ids, "positions": positions, "mask": mask})[0]
        means = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return means / np.linalg.norm(means, axis=1, keepdims=True), int(mask.sum())

    for what, count, repeat in (("sentences", 256, 2), ("pieces", 64, 22)):
        texts = [f"text number {index} tells what a reader asks {PHRASE * repeat}" for index in range(count)]
        first, _ = embed(texts[:32])
        started, used, tokens = time.perf_counter(), time.process_time(), 0
        for at in range(0, count, 32):
            tokens += embed(texts[at:at + 32])[1]
        wall, used = time.perf_counter() - started, time.process_time() - used
        print(f"{what} of {tokens / count:.0f} tokens: {count / wall:.1f} per second, {count / used:.1f} per second of processor time; "
              f"the first begins {first[0][:4].round(4).tolist()}")


main()
