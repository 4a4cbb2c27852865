"""LiteLLM, also as it asks a reranker. `litellm_client.py http://127.0.0.1:PORT`; needs the packages litellm and mcp."""

import asyncio
import json
import os
import sys
import time
import urllib.request

# It would fetch prices at its start.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from pydantic import BaseModel

URL = sys.argv[1] + "/v1"
SAID = "I am Tiny, a very small language model."
litellm.suppress_debug_info = True
usual = {"model": "openai/tiny", "api_base": URL, "api_key": "none", "num_retries": 0}
asked = [{"role": "user", "content": "Who are you?"}]
place = {"type": "string", "enum": ["Oslo", "Rome"]}
schema = {"type": "object", "properties": {"place": place}, "required": ["place"], "additionalProperties": False}
tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]


class Digit(BaseModel):
    digit: int


def ok(name):
    print("ok", name)


RUNNING = 'athenaeum_model_running{model="tiny"} '


def metrics():
    return urllib.request.urlopen(sys.argv[1] + "/metrics").read().decode().splitlines()


def nobody_is_answered():
    """Waits until the server works for nobody any more: sixteen answers of 900 tokens take much longer."""
    for _ in range(20):
        if RUNNING + "0" in metrics():
            return
        time.sleep(0.01)
    raise AssertionError("the answer goes on")


answer = litellm.completion(messages=asked, temperature=0, **usual)
assert answer.choices[0].message.content.startswith(SAID)
ok("chat")

pieces = litellm.completion(messages=asked, temperature=0, stream=True, **usual)
assert "".join(piece.choices[0].delta.content or "" for piece in pieces).startswith(SAID)
ok("stream")

answer = litellm.completion(messages=asked, tools=tools, tool_choice="required", max_tokens=200, temperature=0, **usual)
assert "place" in json.loads(answer.choices[0].message.tool_calls[0].function.arguments)
ok("tools")

answer = litellm.completion(messages=asked, response_format=Digit, temperature=0, **usual)
Digit.model_validate_json(answer.choices[0].message.content)
ok("structured output")

vectors = litellm.embedding(input=["a", "b"], **usual)
assert len(vectors.data) == 2 and len(vectors.data[0]["embedding"]) > 8
ok("embeddings")

answer = litellm.text_completion(prompt="Once upon", max_tokens=4, **{**usual, "model": "text-completion-openai/tiny"})
assert answer.choices[0].text
ok("completions")

for kind, wrong in [(litellm.NotFoundError, {"model": "openai/none-such"}), (litellm.BadRequestError, {"temperature": -1})]:
    try:
        litellm.completion(messages=asked, **{**usual, **wrong})
        raise AssertionError(wrong)
    except kind:
        pass
try:
    litellm.completion(messages=[{"role": "user", "content": "long " * 4000}], **usual)
    raise AssertionError("it is too long")
except litellm.BadRequestError as error:
    # A ContextWindowExceededError is one.
    assert "1024" in str(error)
ok("errors")


async def hang_up():
    """Its streams hold on to the connection when they are closed; tasks that are cancelled do not."""
    endless = {"max_tokens": 900, "extra_body": {"ignore_eos": True, "n": 16}}
    task = asyncio.create_task(litellm.acompletion(messages=asked, **endless, **usual))
    while RUNNING + "0" in await asyncio.to_thread(metrics):
        assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    nobody_is_answered()
    answer = await litellm.acompletion(messages=asked, temperature=0, **usual)
    assert answer.choices[0].message.content.startswith(SAID)


asyncio.run(hang_up())
ok("abort")
