"""Pydantic AI. `pydantic_ai_client.py http://127.0.0.1:PORT`; needs the package pydantic-ai-slim[openai]."""

import asyncio
import sys
import time
import urllib.request

from pydantic import BaseModel, ConfigDict, Field
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

SAID = "I am Tiny, a very small language model."
provider = OpenAIProvider(base_url=sys.argv[1] + "/v1", api_key="none")
settings = ModelSettings(temperature=0, max_tokens=200)
model = OpenAIChatModel("tiny", provider=provider, settings=settings)


class Digit(BaseModel):
    # A model this small goes on for ever where it may.
    model_config = ConfigDict(extra="forbid")
    digit: int = Field(ge=0, le=9)


def nobody_is_answered():
    """Waits until the server works for nobody any more: sixteen answers of 900 tokens take much longer."""
    for _ in range(20):
        told = urllib.request.urlopen(sys.argv[1] + "/metrics").read().decode()
        if 'athenaeum_model_running{model="tiny"} 0' in told.splitlines():
            return
        time.sleep(0.01)
    raise AssertionError("the answer goes on")


async def main():
    answer = await Agent(model).run("Who are you?")
    assert answer.output.startswith(SAID) and answer.usage.output_tokens > 10
    print("ok chat")

    async with Agent(model).run_stream("Who are you?") as streamed:
        pieces = [piece async for piece in streamed.stream_text(delta=True)]
    assert "".join(pieces).startswith(SAID)
    print("ok stream")

    # The output is a tool that must be called.
    answer = await Agent(model, output_type=ToolOutput(Digit)).run("A digit?")
    assert isinstance(answer.output, Digit)
    print("ok tools")

    answer = await Agent(model, output_type=NativeOutput(Digit)).run("A digit?")
    assert isinstance(answer.output, Digit)
    print("ok structured output")

    try:
        await Agent(OpenAIChatModel("none-such", provider=provider)).run("Hello?")
        raise AssertionError("there is no such model")
    except ModelHTTPError as error:
        assert error.status_code == 404
    print("ok errors")

    endless = ModelSettings(max_tokens=900, extra_body={"ignore_eos": True, "n": 16})
    async with Agent(model).run_stream("Who are you?", model_settings=endless) as streamed:
        async for _ in streamed.stream_text(delta=True):
            break
        await streamed.cancel() if hasattr(streamed, "cancel") else None
    nobody_is_answered()
    assert (await Agent(model).run("Who are you?")).output.startswith(SAID)
    print("ok abort")


asyncio.run(main())
