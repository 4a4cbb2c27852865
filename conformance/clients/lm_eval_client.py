"""EleutherAI's harness, as it asks /v1/completions how likely texts are. `lm_eval_client.py http://127.0.0.1:PORT`; needs the
package lm-eval[api]."""

import json
import subprocess
import sys
import time
import urllib.request

from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

URL = sys.argv[1] + "/v1/completions"


class Told(LocalCompletionsAPI):
    """The harness with the server's own tokens in the place of a tokenizer that would have to be downloaded."""

    eos_token = "<|im_end|>"
    texts = []

    def tok_encode(self, string, **_):
        body = {"model": "tiny", "prompt": string, "echo": True, "logprobs": 0, "max_tokens": 0}
        request = urllib.request.Request(URL, json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            told = json.load(answer)["choices"][0]["logprobs"]["tokens"]
        for text in told:
            if text not in self.texts:
                self.texts.append(text)
        return [self.texts.index(text) for text in told]

    def decode_batch(self, tokens):
        return ["".join(self.texts[token] for token in of) for of in tokens]


def instance(kind, arguments, index):
    return Instance(request_type=kind, doc={}, arguments=arguments, idx=index)


lm = Told(
    base_url=URL, model="tiny", tokenizer_backend=None, tokenized_requests=False, num_concurrent=1, batch_size=1, max_retries=1
)
lm.tokenizer_backend, lm.tokenizer = "huggingface", lm
likely = lm.loglikelihood(
    [
        instance("loglikelihood", ("I met a traveller from", " an antique land"), 0),
        instance("loglikelihood", ("I met a traveller from", " a zebra's kitchen"), 1),
    ]
)
assert likely[0][0] > likely[1][0], likely
assert all(value < 0 for value, _ in likely)
print("ok loglikelihood")

lm.tokenizer_backend, lm.tokenizer = None, None
said = lm.generate_until([instance("generate_until", ("Once upon", {"until": ["."], "max_gen_toks": 8, "temperature": 0}), 0)])
assert isinstance(said[0], str) and "." not in said[0]
print("ok generate_until")


# It asks and waits; who gives up ends the program, as an operating system hangs up for it.
RUNNING = 'athenaeum_model_running{model="tiny"} '
ENDLESS = f"""
import requests
requests.post({URL!r}, json={{"model": "tiny", "prompt": "Once", "max_tokens": 900, "ignore_eos": True, "n": 16}})
"""


def metrics():
    return urllib.request.urlopen(sys.argv[1] + "/metrics").read().decode().splitlines()


harness = subprocess.Popen([sys.executable, "-c", ENDLESS])
while RUNNING + "0" in metrics():
    assert harness.poll() is None
harness.kill()
harness.wait()
for _ in range(20):
    if RUNNING + "0" in metrics():
        break
    time.sleep(0.01)
else:
    raise AssertionError("the answer goes on")
print("ok abort")
