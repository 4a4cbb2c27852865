"""Instructor, in each of its ways to ask for structure. `instructor_client.py http://127.0.0.1:PORT`; needs the package
instructor."""

import asyncio
import sys
import time
import urllib.request
from typing import Literal

import instructor
import openai
from pydantic import BaseModel, ConfigDict, Field

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
asked = [{"role": "user", "content": "Which digit?"}]


class Digit(BaseModel):
    """A digit."""

    # A model this small goes on for ever where it may.
    model_config = ConfigDict(extra="forbid")
    digit: int = Field(ge=0, le=9)
    name: Literal["one", "two"]



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


# Mode.JSON is left out: there the model is told of the schema in words only, which takes a larger one.
for mode in [instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT, instructor.Mode.JSON_SCHEMA]:
    answer = instructor.from_openai(client, mode=mode).chat.completions.create(
        model="tiny", messages=asked, response_model=Digit, temperature=0, max_tokens=200, max_retries=1
    )
    assert isinstance(answer, Digit)
    print("ok", mode.value)

pieces = list(
    instructor.from_openai(client, mode=instructor.Mode.TOOLS).chat.completions.create_partial(
        model="tiny", messages=asked, response_model=Digit, temperature=0, max_tokens=200
    )
)
assert pieces[-1].name in ["one", "two"]
print("ok stream")


async def hang_up():
    """It hands out an answer when that is whole; who gives up earlier cancels the task."""
    other = openai.AsyncOpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
    endless = instructor.from_openai(other).chat.completions.create(
        model="tiny", messages=asked, response_model=None, max_tokens=900, extra_body={"ignore_eos": True, "n": 16}
    )
    task = asyncio.create_task(endless)
    while RUNNING + "0" in await asyncio.to_thread(metrics):
        assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    nobody_is_answered()


asyncio.run(hang_up())
print("ok abort")
