"""What llama.cpp's samplers leave of given logits: the golden values of tests/it/sampling/golden.rs.

    pip install llama-cpp-python==0.3.36
    python crates/inference/tests/golden/sampling.py > crates/inference/tests/golden/sampling.json

Each case names settings as `Sampling` does, logits by a formula, and the tokens seen. The answer is the candidates
after the chain, best first, with their probabilities.
"""

import ctypes
import json
import math

import llama_cpp as llama

OFF = {
    "order": [], "temperature": 1.0, "dynamic_temperature_range": 0.0, "dynamic_temperature_exponent": 1.0,
    "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "top_n_sigma": 0.0, "xtc_probability": 0.0,
    "xtc_threshold": 0.1, "min_keep": 0, "repeat_penalty": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0,
    "repeat_last_n": 64, "dry_multiplier": 0.0, "dry_base": 1.75, "dry_allowed_length": 2, "dry_last_n": 64,
    "mirostat": 0, "mirostat_tau": 5.0, "mirostat_eta": 0.1,
}
ORDER = ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]


def logits(vocabulary, salt, spread):
    """Different for each token, the same in every language: all steps are exact or rounded once."""
    return [ctypes.c_float(((i * 7919 + salt * 104729) % 1009) / 1009 * spread - spread / 2).value
            for i in range(vocabulary)]


def samplers(case, vocabulary):
    make = {
        "penalties": lambda: llama.llama_sampler_init_penalties(
            vocabulary, case["repeat_last_n"], case["repeat_penalty"], case["frequency_penalty"],
            case["presence_penalty"]),
        "dry": lambda: llama.llama_sampler_init_dry(
            None, case["dry_multiplier"], case["dry_base"], case["dry_allowed_length"], case["dry_last_n"], None, 0),
        "top_n_sigma": lambda: llama.llama_sampler_init_top_n_sigma(case["top_n_sigma"]),
        "top_k": lambda: llama.llama_sampler_init_top_k(case["top_k"]),
        "typ_p": lambda: llama.llama_sampler_init_typical(case["typical_p"], case["min_keep"]),
        "top_p": lambda: llama.llama_sampler_init_top_p(case["top_p"], case["min_keep"]),
        "min_p": lambda: llama.llama_sampler_init_min_p(case["min_p"], case["min_keep"]),
        "xtc": lambda: llama.llama_sampler_init_xtc(
            case["xtc_probability"], case["xtc_threshold"], case["min_keep"], 1),
        "temperature": lambda: llama.llama_sampler_init_temp_ext(
            case["temperature"], case["dynamic_temperature_range"], case["dynamic_temperature_exponent"]),
    }
    chain = [make[step]() for step in case["order"]]
    if case["mirostat"] == 1:
        chain += [llama.llama_sampler_init_temp(case["temperature"]), llama.llama_sampler_init_mirostat(
            vocabulary, 1, case["mirostat_tau"], case["mirostat_eta"], 100)]
    if case["mirostat"] == 2:
        chain += [llama.llama_sampler_init_temp(case["temperature"]), llama.llama_sampler_init_mirostat_v2(
            1, case["mirostat_tau"], case["mirostat_eta"])]
    return chain


def left(case, vocabulary, salt, spread, seen):
    raw = logits(vocabulary, salt, spread)
    data = (llama.llama_token_data * vocabulary)(*[(i, raw[i], 0.0) for i in range(vocabulary)])
    array = llama.llama_token_data_array(data=data, size=vocabulary, selected=-1, sorted=False)
    for sampler in samplers(case, vocabulary):
        for token in seen:
            llama.llama_sampler_accept(sampler, token)
        llama.llama_sampler_apply(sampler, ctypes.byref(array))
        llama.llama_sampler_free(sampler)
    kept = [(array.data[i].id, array.data[i].logit) for i in range(array.size)]
    kept = [(token, logit) for token, logit in kept if logit != -math.inf]
    kept.sort(key=lambda pair: (-pair[1], pair[0]))
    highest = kept[0][1]
    total = sum(math.exp(logit - highest) for _, logit in kept)
    return [[token, round(math.exp(logit - highest) / total, 9)] for token, logit in kept]


def cases():
    for k in (1, 5, 40, 200):
        yield {"order": ["top_k"], "top_k": k}
    for p in (0.0, 0.3, 0.77, 0.95, 0.999):
        yield {"order": ["top_p"], "top_p": p}
        yield {"order": ["top_p"], "top_p": p, "min_keep": 7}
        yield {"order": ["typ_p"], "typical_p": p}
        yield {"order": ["typ_p"], "typical_p": p, "min_keep": 5}
    for p in (0.05, 0.2, 0.9, 1.0):
        yield {"order": ["min_p"], "min_p": p}
        yield {"order": ["min_p"], "min_p": p, "min_keep": 4}
    for n in (0.1, 1.0, 1.5, 3.0):
        yield {"order": ["top_n_sigma"], "top_n_sigma": n}
    for threshold in (0.02, 0.05, 0.1, 0.3, 0.5):
        yield {"order": ["xtc"], "xtc_probability": 1.0, "xtc_threshold": threshold}
        yield {"order": ["top_k", "xtc"], "top_k": 10, "xtc_probability": 1.0, "xtc_threshold": threshold}
    for temperature in (0.0, 0.3, 0.8, 1.7):
        yield {"order": ["temperature"], "temperature": temperature}
        yield {"order": ["temperature"], "temperature": temperature, "dynamic_temperature_range": 0.5}
        yield {"order": ["top_k", "temperature"], "top_k": 12, "temperature": temperature,
               "dynamic_temperature_range": 0.7, "dynamic_temperature_exponent": 2.0}
    for repeat, frequency, presence in ((1.3, 0.0, 0.0), (0.8, 0.0, 0.0), (1.0, 0.4, 0.0), (1.0, 0.0, 0.9), (1.2, 0.3, -0.5)):
        for last in (0, 3, 64):
            yield {"order": ["penalties"], "repeat_penalty": repeat, "frequency_penalty": frequency,
                   "presence_penalty": presence, "repeat_last_n": last}
    for allowed in (0, 1, 2, 4):
        for last in (0, 9, 64):
            yield {"order": ["dry"], "dry_multiplier": 0.8, "dry_allowed_length": allowed, "dry_last_n": last}
    for tau in (0.5, 2.0, 5.0):
        yield {"mirostat": 1, "mirostat_tau": tau}
        yield {"mirostat": 2, "mirostat_tau": tau}
        yield {"mirostat": 2, "mirostat_tau": tau, "temperature": 0.6}
    yield {"order": ORDER, "temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
    yield {"order": ORDER, "temperature": 1.2, "top_k": 30, "top_p": 0.9, "min_p": 0.02, "typical_p": 0.9,
           "repeat_penalty": 1.1, "dry_multiplier": 1.0, "xtc_probability": 1.0, "xtc_threshold": 0.08}
    yield {"order": ORDER[::-1], "temperature": 0.7, "top_k": 20, "top_p": 0.8, "min_p": 0.1, "typical_p": 0.95,
           "presence_penalty": 1.0}
    yield {"order": ["min_p", "temperature", "top_p", "top_k"], "temperature": 2.0, "min_p": 0.01, "top_p": 0.6,
           "top_k": 8}


def main():
    golden = []
    for case in cases():
        for vocabulary, salt, spread in ((60, 1, 12.0), (900, 5, 20.0)):
            seen = [3, 8, 5, 3, 8, 6, 7, 3, 8, 5, 1, 5, 3, 8]
            answer = left(OFF | case, vocabulary, salt, spread, seen)
            # Of long answers the head is enough: what comes after it shows in the sum.
            golden.append({"set": case, "vocabulary": vocabulary, "salt": salt, "spread": spread, "seen": seen,
                           "count": len(answer), "left": answer[:12]})
    print("[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in golden) + "\n]")


main()
