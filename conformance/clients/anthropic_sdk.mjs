// Anthropic's own client for Node.js. `node anthropic_sdk.mjs http://127.0.0.1:PORT`, where the package
// @anthropic-ai/sdk is installed.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const SAID = "I am Tiny, a very small language model.";
const asked = { model: "tiny", max_tokens: 64, messages: [{ role: "user", content: "Who are you?" }], temperature: 0 };
const input_schema = {
  type: "object",
  properties: { place: { type: "string", enum: ["Oslo", "Rome"] } },
  required: ["place"],
  additionalProperties: false,
};
const tools = [{ name: "weather", input_schema }];
const ok = (name) => console.log("ok", name);

const answer = await client.messages.create(asked);
assert(answer.content[0].text.startsWith(SAID));
ok("message");

const stream = client.messages.stream(asked);
let said = "";
stream.on("text", (text) => (said += text));
const final = await stream.finalMessage();
assert(said.startsWith(SAID) && final.content[0].text === said);
ok("stream");

const called = await client.messages.create({ ...asked, tools, tool_choice: { type: "any" } });
const call = called.content.find((block) => block.type === "tool_use");
assert(called.stop_reason === "tool_use" && ["Oslo", "Rome"].includes(call.input.place));
ok("tools");

const count = await client.messages.countTokens({ model: "tiny", messages: asked.messages });
assert(count.input_tokens > 5);
ok("count tokens");

await assert.rejects(client.messages.create({ ...asked, model: "nobody" }), Anthropic.NotFoundError);
await assert.rejects(client.messages.create({ ...asked, temperature: -1 }), Anthropic.BadRequestError);
ok("errors");

const broken = client.messages.stream(asked);
for await (const _ of broken) break;
broken.abort();
assert((await client.messages.create(asked)).content[0].text.startsWith(SAID));
ok("abort");
