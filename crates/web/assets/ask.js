// The ask page: with a model of this machine chosen, the answer shows as it is written. Without this, sentences are quoted.
"use strict";

(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const form = $("#ask-form");
  const model = $("#model");
  const place = $("#answer");
  let running = null;

  function make(name, text, properties = {}) {
    return Object.assign(document.createElement(name), { textContent: text ?? "", ...properties });
  }

  function trouble(text) {
    const note = $("#ask-problem");
    note.hidden = !text;
    note.textContent = text ?? "";
  }

  // Bytes of UTF-8 are what ranges count.
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();

  function sentenceOf(bytes, sentence) {
    const span = make("span", "", { className: "sentence" });
    if (!sentence.supported) {
      span.classList.add("unsupported");
      span.title = "What it cites does not bear this out";
    }
    const text = decoder.decode(bytes.slice(sentence.range.start, sentence.range.end));
    for (const piece of text.split(/(\[\d+\])/)) {
      const number = Number(/^\[(\d+)\]$/.exec(piece)?.[1]);
      if (sentence.citations.includes(number)) {
        const link = make("a", String(number), { className: "cite", href: `#source-${number}` });
        link.setAttribute("aria-label", `Source ${number}`);
        span.append(link);
      } else { span.append(piece); }
    }
    if (!sentence.supported) span.append(make("span", " (not borne out by what it cites)", { className: "visually-hidden" }));
    return span;
  }

  function sourceOf(citation) {
    const item = make("li", "", { id: `source-${citation.number}`, value: citation.number });
    const document_ = citation.origin === "document";
    const link = make("a", citation.title ?? "Untitled");
    link.href = document_
      ? `/library/${citation.document_id}?from=${citation.text_range.start}&to=${citation.text_range.end}#passage`
      : `/messages/${citation.message_id}`;
    link.dataset.item = "";
    const name = citation.path?.split(/[/\\]/).pop();
    const told = document_ ? [name, citation.place].filter(Boolean).join(", ") : `conversation, ${citation.role}`;
    item.append(link, " ", make("span", told, { className: "quiet" }), make("blockquote", citation.text.slice(0, 320)));
    return item;
  }

  function showAnswer(answer) {
    const bytes = encoder.encode(answer.text);
    const text = make("div", "", { className: "answer-text" });
    let line = make("p");
    let at = 0;
    for (const sentence of answer.sentences) {
      if (decoder.decode(bytes.slice(at, sentence.range.start)).includes("\n")) { text.append(line); line = make("p"); }
      line.append(sentenceOf(bytes, sentence), " ");
      at = sentence.range.end;
    }
    text.append(line);
    const named = answer.citations.filter((one) => answer.sentences.some((sentence) => sentence.citations.includes(one.number)));
    const list = make("ol", "", { className: "sources" });
    list.append(...named.map(sourceOf));
    const who = answer.kind === "generated" ? `Written by ${answer.model} from the passages below.` : "";
    place.replaceChildren(make("p", who, { className: "quiet small" }), text);
    if (named.length) place.append(make("h2", "Sources"), list);
  }

  async function ask(question) {
    running?.abort();
    const mine = new AbortController();
    running = mine;
    trouble(null);
    const coming = make("div", "", { className: "answer-text tail" });
    place.replaceChildren(make("p", "Looking for passages …", { className: "quiet small" }), coming);
    const answer = await fetch("/athenaeum/v1/ask", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ question, in: $("#in").value, model: model.value, stream: true }),
      signal: mine.signal,
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      for (const frame of frames) {
        const event = /^event: (.*)$/m.exec(frame)?.[1];
        const data = /^data: (.*)$/m.exec(frame)?.[1];
        if (!event || !data) continue;
        const told = JSON.parse(data);
        if (event === "citations") $("p", place).textContent = `Writing from ${told.citations.length} passages …`;
        if (event === "delta") coming.textContent += told.text;
        if (event === "failed") throw new Error(told.detail);
        if (event === "answer") showAnswer(told);
      }
    }
  }

  form.addEventListener("submit", (event) => {
    const question = $("#question").value.trim();
    if (!model.value || !question) return;
    event.preventDefault();
    ask(question).catch((error) => { if (error.name !== "AbortError") { trouble(error.message); place.replaceChildren(); } });
  });

  fetch("/athenaeum/v1/models", { headers: { accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : { models: [] }))
    .then(({ models, elsewhere = [] }) => {
      const writers = [...models, ...elsewhere].filter((one) => one.usable !== false && (one.purpose ?? "generate") === "generate");
      for (const one of writers) model.append(make("option", `Written by ${one.name}`, { value: one.name }));
      model.hidden = !writers.length;
    })
    .catch(() => {});
})();
