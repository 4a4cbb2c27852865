// Ollama's own client for Node.js: the flows that its users know. `ollama_sdk.mjs http://127.0.0.1:PORT`; needs the package
// ollama beside it.

import assert from "node:assert/strict";
import { Ollama } from "ollama";

const [url] = process.argv.slice(2);
const model = "tiny";
const client = new Ollama({ host: url });
const messages = [{ role: "user", content: "Who are you?" }];
const options = { temperature: 0 };

const refused = async (status, run) => {
  await assert.rejects(run, (error) => {
    assert.equal(error.status_code, status, error.message);
    return true;
  });
};

const checks = {
  async chat() {
    const whole = await client.chat({ model, messages, options });
    assert.equal(whole.done_reason, "stop");
    assert.ok(whole.message.content.length > 0 && whole.eval_count > 0);
    let said = "";
    let last;
    for await (const piece of await client.chat({ model, messages, options, stream: true })) {
      said += piece.message.content;
      last = piece;
    }
    assert.equal(said, whole.message.content);
    assert.ok(last.done && last.total_duration > 0);
  },
  async generate() {
    const whole = await client.generate({ model, prompt: "Who are you?", options });
    let said = "";
    for await (const piece of await client.generate({ model, prompt: "Who are you?", options, stream: true })) {
      said += piece.response;
    }
    assert.equal(said, whole.response);
    assert.ok(whole.context.length > 0);
  },
  async structured_output() {
    const format = {
      type: "object",
      properties: { age: { type: "integer", minimum: 0, maximum: 99 } },
      required: ["age"],
    };
    const answer = await client.chat({ model, messages, format, options });
    assert.equal(typeof JSON.parse(answer.message.content).age, "number");
  },
  async tools() {
    const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
    const tools = [{ type: "function", function: { name: "weather", description: "Tells the weather", parameters } }];
    const answer = await client.chat({ model, messages, tools, options });
    for (const call of answer.message.tool_calls ?? []) assert.equal(typeof call.function.arguments, "object");
    const called = [
      ...messages,
      { role: "assistant", content: "", tool_calls: [{ function: { name: "weather", arguments: { city: "Rome" } } }] },
      { role: "tool", content: "Rain", tool_name: "weather" },
    ];
    assert.ok((await client.chat({ model, messages: called, tools, options })).done);
  },
  async vectors() {
    const made = await client.embed({ model, input: ["one", "two"] });
    assert.equal(made.embeddings.length, 2);
    assert.equal((await client.embeddings({ model, prompt: "one" })).embedding.length, made.embeddings[0].length);
  },
  async what_there_is() {
    const { models } = await client.list();
    assert.ok(models.some(({ name }) => name.split(":")[0] === model));
    assert.equal((await client.show({ model })).details.format, "gguf");
    await client.generate({ model, prompt: "", keep_alive: "5m" });
    assert.ok((await client.ps()).models.some(({ name }) => name.split(":")[0] === model));
    assert.ok((await client.version()).version);
  },
  async refusals() {
    await refused(404, () => client.chat({ model: "nothing-like-it", messages }));
    await refused(400, () => client.chat({ model, messages, options: { temperature: -1 } }));
    await refused(404, () => client.delete({ model: "nothing-like-it" }));
    await refused(400, () => client.chat({ model, messages: [{ ...messages[0], images: ["aGk="] }] }));
  },
  async broken_off() {
    const stream = await client.chat({ model, messages, stream: true, options: { num_predict: -1 } });
    await assert.rejects(
      async () => {
        for await (const _ of stream) stream.abort();
      },
      { name: "AbortError" },
    );
    assert.equal((await client.chat({ model, messages, options: { num_predict: 1 } })).done_reason, "length");
  },
};

let failed = 0;
for (const [name, run] of Object.entries(checks)) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.error(`${name}: ${error}`);
  }
}
process.exit(failed > 0 ? 1 : 0);
