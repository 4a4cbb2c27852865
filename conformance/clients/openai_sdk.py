"""OpenAI's own client for Python: every flow that its users know. `openai_sdk.py http://127.0.0.1:PORT`; needs the package openai."""

import asyncio
import json
import sys

import openai
from pydantic import BaseModel

URL = sys.argv[1] + "/v1"
client = openai.OpenAI(base_url=URL, api_key="none", max_retries=0)
ASKED = [{"role": "user", "content": "Who are you?"}]
SAID = "I am Tiny, a very small language model."
WEATHER = {
    "type": "object",
    "properties": {"place": {"type": "string", "enum": ["Oslo", "Rome"]}},
    "required": ["place"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER, "strict": True}}]


class Digit(BaseModel):
    digit: int
    sure: bool


def ok(name):
    print("ok", name)


def chat():
    answer = client.chat.completions.create(model="tiny", messages=ASKED, temperature=0)
    assert answer.choices[0].message.content.startswith(SAID), answer
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    several = client.chat.completions.create(model="tiny", messages=ASKED, n=3, max_tokens=4, seed=1)
    assert [choice.index for choice in several.choices] == [0, 1, 2]
    ok("chat")


def stream():
    chunks = list(
        client.chat.completions.create(
            model="tiny", messages=ASKED, temperature=0, stream=True, stream_options={"include_usage": True}
        )
    )
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said.startswith(SAID), said
    assert chunks[-1].usage.completion_tokens > 10 and not chunks[-1].choices
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    with client.chat.completions.stream(model="tiny", messages=ASKED, temperature=0, n=2) as events:
        final = events.get_final_completion()
    assert len(final.choices) == 2 and final.choices[0].message.content.startswith(SAID)
    ok("stream")


def tools():
    named = {"type": "function", "function": {"name": "weather"}}
    for choice in ["required", named]:
        answer = client.chat.completions.create(model="tiny", messages=ASKED, tools=TOOLS, tool_choice=choice)
        call = answer.choices[0].message.tool_calls[0]
        assert call.function.name == "weather" and json.loads(call.function.arguments)["place"] in ["Oslo", "Rome"]
        assert answer.choices[0].finish_reason == "tool_calls"
    with client.chat.completions.stream(model="tiny", messages=ASKED, tools=TOOLS, tool_choice="required") as events:
        final = events.get_final_completion()
    call = final.choices[0].message.tool_calls[0]
    assert call.function.name == "weather" and json.loads(call.function.arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
    said = final.choices[0].message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"})
    for one in said["tool_calls"]:
        one.pop("index", None)
        one["function"].pop("parsed_arguments", None)
    answer = client.chat.completions.create(model="tiny", messages=[*ASKED, said, result], tools=TOOLS, max_tokens=8)
    assert answer.choices[0].message.content
    ok("tools")


def structured():
    answer = client.chat.completions.parse(model="tiny", messages=ASKED, response_format=Digit)
    assert isinstance(answer.choices[0].message.parsed, Digit)
    answer = client.chat.completions.create(
        model="tiny", messages=ASKED, response_format={"type": "json_object"}, max_tokens=400, seed=3
    )
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)
    ok("structured output")


def embeddings():
    # The client asks for base64 where nothing is said.
    usual = client.embeddings.create(model="tiny", input=["a", "b"])
    plain = client.embeddings.create(model="tiny", input=["a", "b"], encoding_format="float")
    pairs = zip(usual.data[0].embedding, plain.data[0].embedding, strict=True)
    assert len(usual.data) == 2 and all(abs(one - other) < 1e-6 for one, other in pairs)
    short = client.embeddings.create(model="tiny", input=[[1, 2, 3]], dimensions=8)
    assert len(short.data[0].embedding) == 8
    ok("embeddings")


def completions():
    answer = client.completions.create(model="tiny", prompt=["Once upon", "The"], max_tokens=3, echo=True, logprobs=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    told = answer.choices[0].logprobs
    assert len(told.tokens) == len(told.token_logprobs) == len(told.text_offset) and told.token_logprobs[0] is None
    pieces = client.completions.create(model="tiny", prompt="Once upon", max_tokens=3, temperature=0, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices)
    ok("completions")


def models():
    known = {model.id for model in client.models.list()}
    assert "tiny" in known and client.models.retrieve("tiny").id == "tiny"
    ok("models")


def errors():
    for kind, asked in [
        (openai.NotFoundError, {"model": "none-such", "messages": ASKED}),
        (openai.BadRequestError, {"model": "tiny", "messages": ASKED, "temperature": -1}),
        (openai.BadRequestError, {"model": "tiny", "messages": []}),
        (openai.BadRequestError, {"model": "tiny", "messages": [{"role": "user", "content": "long " * 4000}]}),
    ]:
        try:
            client.chat.completions.create(**asked)
        except kind as error:
            assert error.message and error.body["message"], error
            continue
        raise AssertionError(asked)
    try:
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "long " * 4000}])
    except openai.BadRequestError as error:
        assert error.code == "context_length_exceeded", error
    ok("errors")


def abort():
    async def hang_up():
        other = openai.AsyncOpenAI(base_url=URL, api_key="none")
        extra = {"ignore_eos": True}
        stream = await other.chat.completions.create(
            model="tiny", messages=ASKED, stream=True, max_tokens=900, extra_body=extra
        )
        async for _ in stream:
            break
        await stream.close()
        # Nothing is left that the next one waits for.
        answer = await other.chat.completions.create(model="tiny", messages=ASKED, temperature=0, timeout=20)
        assert answer.choices[0].message.content.startswith(SAID)

    asyncio.run(hang_up())
    ok("abort")


for flow in [chat, stream, tools, structured, embeddings, completions, models, errors, abort]:
    flow()
