"""LlamaIndex. `llama_index_client.py http://127.0.0.1:PORT`; needs the packages llama-index-llms-openai-like and
llama-index-embeddings-openai-like."""

import asyncio
import sys
import time
import urllib.request
from typing import Literal

import openai
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel, ConfigDict, Field

URL = sys.argv[1] + "/v1"
SAID = "I am Tiny, a very small language model."
usual = {"api_base": URL, "api_key": "none", "model": "tiny", "temperature": 0, "max_retries": 0, "max_tokens": 200}
llm = OpenAILike(is_chat_model=True, is_function_calling_model=True, context_window=1024, **usual)
asked = [ChatMessage(role="user", content="Who are you?")]


class Digit(BaseModel):
    """A digit."""

    # A model this small goes on for ever where it may.
    model_config = ConfigDict(extra="forbid")
    digit: int = Field(ge=0, le=9)


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    place: Literal["Oslo", "Rome"]


def weather(place: str) -> str:
    """Tells the weather."""
    return "Rain in " + place


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


assert llm.chat(asked).message.content.startswith(SAID)
ok("chat")

pieces = [piece.delta for piece in llm.stream_chat(asked)]
assert "".join(filter(None, pieces)).startswith(SAID)
ok("stream")

tool = FunctionTool.from_defaults(fn=weather, fn_schema=Place)
answer = llm.chat_with_tools([tool], user_msg="How is the weather?", tool_required=True)
calls = llm.get_tool_calls_from_response(answer)
assert calls[0].tool_name == "weather" and "place" in calls[0].tool_kwargs
ok("tools")

assert isinstance(llm.as_structured_llm(Digit).chat(asked).raw, Digit)
ok("structured output")

embeddings = OpenAILikeEmbedding(model_name="tiny", api_base=URL, api_key="none")
assert embeddings.get_text_embedding("a") == embeddings.get_text_embedding_batch(["a", "b"])[0]
ok("embeddings")

plain = OpenAILike(is_chat_model=False, context_window=1024, **{**usual, "max_tokens": 4})
assert plain.complete("Once upon").text
ok("completions")

try:
    OpenAILike(is_chat_model=True, **{**usual, "model": "none-such"}).chat(asked)
    raise AssertionError("there is no such model")
except openai.NotFoundError:
    ok("errors")

endless = {**usual, "max_tokens": 900, "additional_kwargs": {"extra_body": {"ignore_eos": True, "n": 16}}}


async def hang_up():
    """Its streams hold on to the connection when they are closed; tasks that are cancelled do not."""
    task = asyncio.create_task(OpenAILike(is_chat_model=True, context_window=1024, **endless).achat(asked))
    while RUNNING + "0" in await asyncio.to_thread(metrics):
        assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    nobody_is_answered()


asyncio.run(hang_up())
assert llm.chat(asked).message.content.startswith(SAID)
ok("abort")
