// OpenAI's own client for Node.js. `node openai_sdk.mjs http://127.0.0.1:PORT`, where the package openai is installed.

import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", maxRetries: 0 });
const SAID = "I am Tiny, a very small language model.";
const asked = { model: "tiny", messages: [{ role: "user", content: "Who are you?" }], temperature: 0 };
const parameters = {
  type: "object",
  properties: { place: { type: "string", enum: ["Oslo", "Rome"] } },
  required: ["place"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "weather", parameters, strict: true } }];
const ok = (name) => console.log("ok", name);

const answer = await client.chat.completions.create(asked);
assert(answer.choices[0].message.content.startsWith(SAID));
ok("chat");

let said = "";
for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
  said += chunk.choices[0]?.delta?.content ?? "";
}
assert(said.startsWith(SAID));
ok("stream");

const runner = client.chat.completions.stream({ ...asked, tools, tool_choice: "required" });
const call = (await runner.finalChatCompletion()).choices[0].message.tool_calls[0];
assert(["Oslo", "Rome"].includes(JSON.parse(call.function.arguments).place));
ok("tools");

const json_schema = { name: "place", schema: parameters, strict: true };
const parsed = await client.chat.completions.parse({ ...asked, response_format: { type: "json_schema", json_schema } });
assert(["Oslo", "Rome"].includes(parsed.choices[0].message.parsed.place));
ok("structured output");

const vectors = await client.embeddings.create({ model: "tiny", input: ["a", "b"] });
const plain = await client.embeddings.create({ model: "tiny", input: "a", encoding_format: "float" });
const apart = vectors.data[0].embedding.map((number, index) => Math.abs(number - plain.data[0].embedding[index]));
assert(vectors.data.length === 2 && Math.max(...apart) < 1e-6);
ok("embeddings");

const completion = await client.completions.create({ model: "tiny", prompt: "Once upon", max_tokens: 4, logprobs: 1 });
assert(completion.choices[0].logprobs.tokens.length > 0);
ok("completions");

await assert.rejects(client.chat.completions.create({ ...asked, model: "none-such" }), OpenAI.NotFoundError);
await assert.rejects(client.chat.completions.create({ ...asked, temperature: -1 }), { status: 400, param: "temperature" });
ok("errors");

const hangUp = new AbortController();
await assert.rejects(async () => {
  const endless = { ...asked, stream: true, max_tokens: 900, ignore_eos: true };
  for await (const _ of await client.chat.completions.create(endless, { signal: hangUp.signal })) {
    hangUp.abort();
  }
  hangUp.signal.throwIfAborted();
});
assert((await client.chat.completions.create(asked)).choices[0].message.content.startsWith(SAID));
ok("abort");
