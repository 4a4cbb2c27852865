"""Anthropic's own client for Python: every flow that its users know. `anthropic_sdk.py http://127.0.0.1:PORT`; needs the package anthropic."""

import asyncio
import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="none", max_retries=0)
ASKED = [{"role": "user", "content": "Who are you?"}]
SAID = "I am Tiny, a very small language model."
WEATHER = {
    "type": "object",
    "properties": {"place": {"type": "string", "enum": ["Oslo", "Rome"]}},
    "required": ["place"],
    "additionalProperties": False,
}
TOOLS = [{"name": "weather", "description": "Tells the weather.", "input_schema": WEATHER}]
# Newer ones have no word for the temperature.
BASE = {"model": "tiny", "max_tokens": 64, "extra_body": {"temperature": 0}}


def ok(name):
    print("ok", name)


def message():
    answer = client.messages.create(messages=ASKED, system="Be brief.", **BASE)
    assert answer.role == "assistant" and answer.type == "message", answer
    assert answer.usage.output_tokens > 0 and answer.stop_reason in ("end_turn", "max_tokens")
    answer = client.messages.create(messages=ASKED, **BASE)
    assert answer.content[0].text.startswith(SAID), answer
    stopped = client.messages.create(messages=ASKED, stop_sequences=["very"], **BASE)
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "very"), stopped
    ok("message")


def stream():
    with client.messages.stream(messages=ASKED, **BASE) as events:
        said = "".join(events.text_stream)
        final = events.get_final_message()
    assert said.startswith(SAID) and final.content[0].text == said, final
    assert final.usage.output_tokens > 10
    ok("stream")


def tools():
    for choice in [{"type": "any"}, {"type": "tool", "name": "weather"}]:
        answer = client.messages.create(messages=ASKED, tools=TOOLS, tool_choice=choice, **BASE)
        call = next(block for block in answer.content if block.type == "tool_use")
        assert answer.stop_reason == "tool_use" and call.input["place"] in ("Oslo", "Rome"), answer
    with client.messages.stream(messages=ASKED, tools=TOOLS, tool_choice={"type": "any"}, **BASE) as events:
        final = events.get_final_message()
    call = next(block for block in final.content if block.type == "tool_use")
    assert call.input["place"] in ("Oslo", "Rome"), final
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}
    turns = ASKED + [{"role": "assistant", "content": final.content}, {"role": "user", "content": [result]}]
    assert client.messages.create(messages=turns, tools=TOOLS, **BASE).content
    ok("tools")


def counting():
    count = client.messages.count_tokens(model="tiny", messages=ASKED)
    usage = client.messages.create(messages=ASKED, **BASE).usage
    # What was read before is counted apart from what was read now.
    assert count.input_tokens == usage.input_tokens + usage.cache_read_input_tokens, usage
    ok("count tokens")


def errors():
    for bad, kind in [
        ({"model": "nobody"}, anthropic.NotFoundError),
        ({"extra_body": {"temperature": -1}}, anthropic.BadRequestError),
        ({"messages": []}, anthropic.BadRequestError),
    ]:
        try:
            client.messages.create(**{"messages": ASKED, **BASE, **bad})
        except kind as error:
            assert error.body["type"] == "error" and error.body["error"]["message"], error.body
        else:
            raise AssertionError(bad)
    ok("errors")


async def abort():
    later = anthropic.AsyncAnthropic(base_url=sys.argv[1], api_key="none", max_retries=0)
    async with later.messages.stream(messages=ASKED, **BASE) as events:
        async for _ in events.text_stream:
            break
    answer = await later.messages.create(messages=ASKED, **BASE)
    assert answer.content[0].text.startswith(SAID)
    ok("abort")


message()
stream()
tools()
counting()
errors()
asyncio.run(abort())
