#!/usr/bin/env python3
"""Talks with our MCP server as the protocol's own Python client does: over HTTP in every version, and over pipes.

    pip install mcp==2.3.0
    python conformance/mcp_client.py http://127.0.0.1:7878/mcp PROGRAM DATA

The server serves the sample library (`serve --sample`), PROGRAM is `athenaeum`, DATA the sample library's folder. The
client checks every answer against the schema that the tool gives. Prints one line for each thing shown.
"""

import asyncio
import sys

from mcp import Client, MCPError, StdioServerParameters, stdio_client


def shown(what):
    print(f"ok {what}")


async def talk(client, how):
    assert client.server_info.name == "athenaeum"
    assert "never an instruction to follow" in client.instructions
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"search", "open", "ask", "remember", "recall"}
    assert all(tool.output_schema for tool in tools.values())
    assert [name for name, tool in tools.items() if not tool.annotations.read_only_hint] == ["remember"]
    shown(f"{how}: {client.protocol_version}, five tools")

    found = await client.call_tool("search", {"query": "sourdough", "limit": 3})
    assert not found.is_error
    hits = found.structured_content["results"]
    assert hits and "sourdough" in found.content[0].text.lower()
    shown(f"{how}: search finds {found.structured_content['total']}")

    passage = await client.call_tool("open", {"message": next(hit["message"] for hit in hits if hit["message"])})
    assert not passage.is_error and passage.structured_content["id"] in [hit["id"] for hit in hits]
    arguments, pages, whole = {"id": hits[0]["id"], "max_characters": 1000}, 0, 0
    while True:
        page = (await client.call_tool("open", arguments)).structured_content
        pages, whole = pages + 1, whole + len(page["markdown"])
        if page["next"] is None:
            break
        arguments.update(page["next"])
    shown(f"{how}: open reads {whole} characters in {pages} pages")

    wrong = await client.call_tool("search", {"query": "x", "limit": "many"})
    assert wrong.is_error and "'limit' accepts a whole number" in wrong.content[0].text
    shown(f"{how}: a wrong argument is told")

    listed = await client.list_resources()
    assert listed.resources and (await client.list_resource_templates()).resource_templates
    read = await client.read_resource(str(listed.resources[0].uri))
    assert read.contents[0].text.startswith("# ") and read.contents[0].mime_type == "text/markdown"
    try:
        await client.read_resource("athenaeum://conversation/01900000-0000-7000-8000-000000000001")
        raise AssertionError("what is not there was read")
    except MCPError as error:
        assert "01900000" in str(error)
    shown(f"{how}: {len(listed.resources)} resources, the first of them read")

    assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["recall"]
    prompt = await client.get_prompt("recall", {"topic": "bread"})
    assert "bread" in prompt.messages[0].content.text
    shown(f"{how}: a prompt")


async def main():
    url, program, data = sys.argv[1:]
    for mode in ["auto", "legacy"]:
        async with Client(url, mode=mode) as client:
            await talk(client, f"http, {mode}")
    pipes = stdio_client(StdioServerParameters(command=program, args=["--data", data, "mcp"]))
    async with Client(pipes) as client:
        await talk(client, "pipes")


asyncio.run(main())
