"""What the way through a server costs: a model asked where it is, and through a server that names it as one of another engine.

    athenaeum --data FAR serve --addr 127.0.0.1:8181      # with a model in FAR/models
    athenaeum --config NEAR.toml serve --addr 127.0.0.1:8182
    python benches/neighbours/elsewhere.py http://127.0.0.1:8181 MODEL http://127.0.0.1:8182 NAME

NEAR.toml has `[models.remote.NAME]` with the first server's `url`, a `wire` and `model = "MODEL"`. Asks both in turns, each over
one connection, for one token of a stream, and prints the milliseconds until it is there: the middle one of 300 and of all but the
slowest twentieth.
"""

import http.client
import json
import statistics
import sys
import time
from urllib.parse import urlsplit

TURNS = 300
# Loading the model is none of it.
WARM_UP = 10


def first_token(connection, model):
    messages = [{"role": "user", "content": "Who are you?"}]
    asked = {"model": model, "temperature": 0, "max_tokens": 1, "stream": True, "messages": messages}
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(asked), {"content-type": "application/json"})
    answer = connection.getresponse()
    first = None
    # To the end, so that the connection can be used again.
    while line := answer.readline():
        if first is None and b'"content":"' in line:
            first = (time.perf_counter() - began) * 1000
    if first is None:
        sys.exit(f"{model} said nothing (status {answer.status})")
    return first


def main():
    far_url, far, near_url, near = sys.argv[1:]
    ways = [(http.client.HTTPConnection(urlsplit(url).netloc), model) for url, model in ((far_url, far), (near_url, near))]
    times = [[], []]
    for turn in range(WARM_UP + TURNS):
        for kept, (connection, model) in zip(times, ways):
            taken = first_token(connection, model)
            if turn >= WARM_UP:
                kept.append(taken)
    middles = []
    for name, kept in zip(("where it is", "through a server"), times):
        kept.sort()
        middles.append(statistics.median(kept))
        print(f"{name}: {middles[-1]:.2f} ms, {kept[TURNS * 19 // 20]:.2f} at the 95th percentile")
    print(f"the way: {middles[1] - middles[0]:.2f} ms, {middles[1] / middles[0]:.2f} times")


main()
