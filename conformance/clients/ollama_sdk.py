"""Ollama's own client for Python: every flow that its users know. `ollama_sdk.py http://127.0.0.1:PORT`; needs the package ollama.

With ATHENAEUM_REGISTRY_PORT in the environment, a registry is played at that port of this machine, which has the small model
as `me/pulled:1b`, and the server is expected to fetch from there (`models.ollama_registry`).
"""

import asyncio
import hashlib
import http.server
import json
import os
import pathlib
import sys
import threading

import ollama

URL, MODEL = sys.argv[1], "tiny"
PORT = os.environ.get("ATHENAEUM_REGISTRY_PORT")
FILE = pathlib.Path(__file__).parents[2] / "examples/models/tiny.gguf"
ASKED = [{"role": "user", "content": "Who are you?"}]
GREEDY = {"temperature": 0}
client = ollama.Client(host=URL)
checks = []


def check(run):
    checks.append(run)
    return run


def refused(status, run):
    try:
        run()
    except ollama.ResponseError as error:
        assert error.status_code == status, f"{error.status_code}: {error}"
        return error.error
    raise AssertionError("it was not refused")


@check
def chat():
    answer = client.chat(MODEL, messages=ASKED, options=GREEDY)
    assert answer.done and answer.done_reason == "stop" and answer.message.role == "assistant"
    assert answer.message.content and answer.eval_count > 0 and answer.total_duration > 0


@check
def chat_streamed_is_the_same():
    whole = client.chat(MODEL, messages=ASKED, options=GREEDY).message.content
    pieces = list(client.chat(MODEL, messages=ASKED, options=GREEDY, stream=True))
    assert "".join(piece.message.content for piece in pieces) == whole
    assert len(pieces) > 3 and [piece.done for piece in pieces].count(True) == 1 and pieces[-1].done


@check
def generate():
    answer = client.generate(MODEL, "Who are you?", options=GREEDY)
    assert answer.response and answer.context
    more = client.generate(MODEL, "And what can you do?", context=answer.context, options=GREEDY)
    assert more.prompt_eval_count > len(answer.context)
    pieces = client.generate(MODEL, "Who are you?", options=GREEDY, stream=True)
    assert "".join(piece.response for piece in pieces) == answer.response


@check
def structured_output():
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["name", "age"],
    }
    said = json.loads(client.chat(MODEL, messages=ASKED, format=schema, options=GREEDY).message.content)
    assert isinstance(said["name"], str) and isinstance(said["age"], int)


@check
def tools():
    def weather(city: str) -> str:
        """Tell the weather.

        Args:
          city: Where
        """
        return f"Rain in {city}"

    answer = client.chat(MODEL, messages=ASKED, tools=[weather], options=GREEDY)
    for call in answer.message.tool_calls or []:
        assert isinstance(call.function.arguments, dict)
    called = [
        *ASKED,
        {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Rome"}}}]},
        {"role": "tool", "tool_name": "weather", "content": "Rain in Rome"},
    ]
    assert client.chat(MODEL, messages=called, tools=[weather], options=GREEDY).done


@check
def thinking():
    for think in (True, False):
        answer = client.chat(MODEL, messages=ASKED, think=think, options=GREEDY)
        assert answer.message.content or answer.message.thinking


@check
def likelihoods():
    answer = client.generate(MODEL, "Who are you?", options=GREEDY, logprobs=True, top_logprobs=3)
    assert len(answer.logprobs) == answer.eval_count
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 3 for token in answer.logprobs)


@check
def vectors():
    made = client.embed(MODEL, ["one", "two"])
    assert len(made.embeddings) == 2 and len(made.embeddings[0]) == len(made.embeddings[1]) > 8
    assert len(client.embed(MODEL, "one", dimensions=8).embeddings[0]) == 8
    assert len(client.embeddings(MODEL, "one").embedding) == len(made.embeddings[0])


@check
def what_there_is():
    names = [model.model for model in client.list().models]
    assert any(name == MODEL or name.startswith(f"{MODEL}:") for name in names), names
    shown = client.show(MODEL)
    assert shown.details.format == "gguf" and shown.modelinfo["general.architecture"] and shown.template
    assert "completion" in shown.capabilities and shown.modified_at


@check
def in_memory():
    client.generate(MODEL, keep_alive="10m")
    running = client.ps().models
    assert [model for model in running if model.name.split(":")[0] == MODEL and model.size > 0 and model.expires_at]
    client.generate(MODEL, keep_alive=0)
    assert not [model for model in client.ps().models if model.name.split(":")[0] == MODEL]


@check
def refusals():
    assert "nothing-like-it" in refused(404, lambda: client.chat("nothing-like-it", messages=ASKED))
    assert "temperature" in refused(400, lambda: client.chat(MODEL, messages=ASKED, options={"temperature": -1}))
    assert "text only" in refused(400, lambda: client.generate(MODEL, "What is it?", images=[b"\x89PNG"]))
    refused(404, lambda: client.delete("nothing-like-it"))
    refused(400, lambda: client.create("mine", from_=MODEL, stream=False))
    refused(400, lambda: client.push("me/mine"))
    long = [{"role": "user", "content": "a tale of many words " * 5000}]
    assert "context" in refused(400, lambda: client.chat(MODEL, messages=long))


@check
def broken_off():
    pieces = client.chat(MODEL, messages=ASKED, options={"num_predict": -1}, stream=True)
    next(pieces)
    pieces.close()
    assert client.chat(MODEL, messages=ASKED, options={"num_predict": 1}).done_reason == "length"


@check
def asynchronously():
    async def all_of_it():
        client = ollama.AsyncClient(host=URL)
        answer = await client.chat(MODEL, messages=ASKED, options=GREEDY)
        streamed = await client.chat(MODEL, messages=ASKED, options=GREEDY, stream=True)
        pieces = [piece.message.content async for piece in streamed]
        assert "".join(pieces) == answer.message.content
        several = [client.generate(MODEL, "Who are you?", options=GREEDY) for _ in range(8)]
        assert len({answer.response for answer in await asyncio.gather(*several)}) == 1

    asyncio.run(all_of_it())


def fetch_copy_delete():
    registry(int(PORT), FILE)
    told = list(client.pull("me/pulled:1b", stream=True))
    assert told[0].status == "pulling manifest" and told[-1].status == "success"
    layers = [one for one in told if one.digest]
    assert layers and layers[-1].completed == layers[-1].total
    client.pull("me/pulled:1b")
    names = lambda: [model.model for model in client.list().models]
    assert "me/pulled:1b" in names()
    assert client.copy("me/pulled:1b", "copied").status == "success"
    assert client.chat("copied", messages=ASKED, options=GREEDY).model == "copied"
    assert client.delete("me/pulled:1b").status == "success" and client.delete("copied").status == "success"
    assert not {"me/pulled:1b", "copied:latest"} & set(names())
    try:
        list(client.pull("nobody/nothing", stream=True))
    except ollama.ResponseError as error:
        assert "nobody/nothing" in error.error
    else:
        raise AssertionError("what is nowhere was fetched")


def registry(port, file):
    with open(file, "rb") as opened:
        model = opened.read()
    digest = "sha256:" + hashlib.sha256(model).hexdigest()
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": len(model)}

    class Registry(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = {
                "/v2/me/pulled/manifests/1b": json.dumps({"schemaVersion": 2, "layers": [layer]}).encode(),
                f"/v2/me/pulled/blobs/{digest}": model,
            }
            body = known.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    failed = 0
    for run in checks + ([fetch_copy_delete] if PORT else []):
        try:
            run()
            print(f"ok {run.__name__}")
        except Exception as error:  # Every kind of failure is told, and the next check goes on.
            failed += 1
            print(f"{run.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
