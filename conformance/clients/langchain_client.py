"""LangChain's client. `langchain_client.py http://127.0.0.1:PORT`; needs the package langchain-openai."""

import asyncio
import sys
from typing import Literal

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel, ConfigDict, Field

URL = sys.argv[1] + "/v1"
SAID = "I am Tiny, a very small language model."
chat = ChatOpenAI(base_url=URL, api_key="none", model="tiny", temperature=0, max_retries=0, max_tokens=200)


class Digit(BaseModel):
    """A digit."""

    # A model this small goes on for ever where it may.
    model_config = ConfigDict(extra="forbid")
    digit: int = Field(ge=0, le=9)


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    place: Literal["Oslo", "Rome"]


@tool(args_schema=Place)
def weather(place: str) -> str:
    """Tells the weather."""
    return "Rain in " + place


def ok(name):
    print("ok", name)


assert chat.invoke("Who are you?").content.startswith(SAID)
ok("chat")

pieces = list(chat.stream("Who are you?"))
assert "".join(piece.content for piece in pieces).startswith(SAID) and len(pieces) > 5
ok("stream")

for method in ["json_schema", "function_calling"]:
    assert isinstance(chat.with_structured_output(Digit, method=method).invoke("A digit?"), Digit), method
ok("structured output")

asked = [HumanMessage("How is the weather?")]
answer = chat.bind_tools([weather], tool_choice="weather", strict=True).invoke(asked)
assert answer.tool_calls[0]["name"] == "weather" and "place" in answer.tool_calls[0]["args"], answer
asked += [answer, ToolMessage(weather.invoke(answer.tool_calls[0]["args"]), tool_call_id=answer.tool_calls[0]["id"])]
assert chat.bind_tools([weather]).invoke(asked).content
gathered = None
for piece in chat.bind_tools([weather], tool_choice="required", strict=True).stream("How is the weather?"):
    gathered = piece if gathered is None else gathered + piece
assert gathered.tool_calls[0]["name"] == "weather"
ok("tools")

# It sends tokens of another vocabulary unless told not to.
embeddings = OpenAIEmbeddings(base_url=URL, api_key="none", model="tiny", check_embedding_ctx_length=False)
vectors = embeddings.embed_documents(["a", "b"])
assert len(vectors) == 2 and vectors[0] == embeddings.embed_query("a")
ok("embeddings")

assert OpenAI(base_url=URL, api_key="none", model="tiny", temperature=0, max_tokens=4).invoke("Once upon")
ok("completions")

try:
    ChatOpenAI(base_url=URL, api_key="none", model="none-such", max_retries=0).invoke("Hello?")
except openai.NotFoundError as error:
    assert "none-such" in str(error)
ok("errors")


async def hang_up():
    endless = chat.bind(extra_body={"ignore_eos": True}, max_tokens=900)
    async for _ in endless.astream("Who are you?"):
        break
    assert (await chat.ainvoke("Who are you?")).content.startswith(SAID)


asyncio.run(hang_up())
ok("abort")
