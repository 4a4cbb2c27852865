// The chat page: it holds the turns of a conversation as a tree, asks models at the API, and has the server show and
// keep what was said. What a model wrote never becomes HTML here: the server's writer makes that.
"use strict";

(() => {
  const room = document.querySelector("#chat");
  if (!room) return;
  const $ = (selector, root = room) => root.querySelector(selector);
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const say = (text) => { document.querySelector("#live").textContent = text; };
  const places = {
    turns: $("#turns"), trouble: $("#trouble"), composer: $("#composer"), ask: $("#ask"), model: $("#model"),
    send: $("#send"), stop: $("#stop"), files: $("#files"), attach: $("#attach"),
  };
  const NUMBERS = ["temperature", "top_p", "max_tokens", "seed"];
  const FILE_BYTES_MAX = 1 << 20;
  const FILES_MAX = 20;
  const PICTURE_BYTES_MAX = 20_000_000;
  const PICTURE_TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"];

  // === The conversation ===

  /**
   * Turns by name: { id, parent, role, text, reasoning, files, pictures, model, reason, tokens, at, html, hidden, kept }.
   * Pictures are { name, media_type, bytes }, with { data, bitmap } as long as the page lasts: the archive keeps that there
   * was one, not what it showed.
   */
  const turns = new Map();
  let path = [];
  let conversation = newName();
  let files = [];
  let pictures = [];
  let running = null;

  function newName() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function addTurn(turn) {
    const whole = {
      id: newName(), parent: path.at(-1) ?? null, text: "", reasoning: "", files: [], pictures: [], html: "", at: Date.now(), ...turn,
    };
    turns.set(whole.id, whole);
    return whole;
  }

  const siblings = (turn) => [...turns.values()].filter((other) => other.parent === turn.parent && !other.hidden);

  /** The way through a turn: to it from the beginning, and from it to the newest below. */
  function pathThrough(turn) {
    const way = [];
    for (let at = turn; at; at = turns.get(at.parent)) way.unshift(at.id);
    for (let below = turn; below;) {
      below = [...turns.values()].filter((other) => other.parent === below.id).at(-1);
      if (below) way.push(below.id);
    }
    return way;
  }

  const before = (turn) => (turn.parent === null ? [] : path.slice(0, path.indexOf(turn.parent) + 1));

  // === Showing ===

  function show() {
    const articles = path.map((id) => turns.get(id)).filter((turn) => !turn.hidden).map((turn) => {
      turn.article ??= article(turn);
      dressHeader(turn);
      return turn.article;
    });
    places.turns.replaceChildren(...articles);
    const blank = $("#chat-blank");
    if (blank) blank.hidden = articles.length > 0;
    room.classList.toggle("begun", articles.length > 0);
  }

  function article(turn) {
    const name = turn.role === "user" ? "You" : "Model";
    const element = make("article", { className: `message ${turn.role}`, tabIndex: -1 });
    element.dataset.item = "";
    element.setAttribute("aria-label", name);
    turn.prose = make("div", { className: "prose" });
    element.append(make("header"), turn.prose, ...gallery(turn));
    fill(turn, turn.html);
    return element;
  }

  /** The pictures of a turn; of those that were shown before the page was opened, that they are not here any more. */
  function gallery({ pictures: shown }) {
    const seen = shown.filter((picture) => picture.bitmap).map((picture) => canvas(picture, 480, 320));
    const parts = seen.length ? [make("div", { className: "pictures" }, ...seen)] : [];
    const gone = shown.length - seen.length;
    if (gone) {
      const which = gone === 1 ? "The picture is not kept, and is not shown to the model again." : `${gone} pictures are not kept, and are not shown to the model again.`;
      parts.push(make("p", { className: "quiet small gone", textContent: which }));
    }
    return parts;
  }

  /** A picture drawn within so much room: a content policy that loads no foreign picture has nothing to say about that. */
  function canvas({ name, bitmap }, width, height) {
    const scale = Math.min(1, width / bitmap.width, height / bitmap.height);
    const drawn = make("canvas", { width: Math.max(1, Math.round(bitmap.width * scale)), height: Math.max(1, Math.round(bitmap.height * scale)) });
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", name);
    drawn.getContext("2d").drawImage(bitmap, 0, 0, drawn.width, drawn.height);
    return drawn;
  }

  function dressHeader(turn) {
    const header = $("header", turn.article);
    const speaker = make("h2", { className: "speaker", textContent: turn.role === "user" ? "You" : "Model" });
    header.replaceChildren(speaker);
    if (turn.model) header.append(make("span", { className: "model", textContent: turn.model }));
    const all = siblings(turn);
    if (all.length > 1) header.append(fork(turn, all));
    const tools = make("span", { className: "turn-tools" });
    const tool = (text, label, action) => {
      const button = make("button", { type: "button", textContent: text, onclick: action });
      button.setAttribute("aria-label", label);
      tools.append(button);
    };
    if (turn !== running?.turn) {
      tool("Copy", "Copy this message", (event) => copy(turn.text, event.target));
      if (turn.role === "user") tool("Edit", "Ask this otherwise", () => edit(turn));
      else tool("Regenerate", "Have this answered anew", () => regenerate(turn));
    }
    header.append(tools);
    if (turn.told) header.append(make("span", { className: "told", textContent: turn.told }));
  }

  function fork(turn, all) {
    const at = all.indexOf(turn);
    const group = make("span", { className: "fork" });
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `Version ${at + 1} of ${all.length}`);
    const step = (text, label, other) => {
      const button = make("button", { type: "button", textContent: text, disabled: !other || Boolean(running) });
      button.setAttribute("aria-label", label);
      button.onclick = () => {
        path = pathThrough(other);
        show();
        other.article.focus({ preventScroll: true });
        say(`Version ${all.indexOf(other) + 1} of ${all.length}`);
      };
      return button;
    };
    group.append(
      step("‹", "Version before", all[at - 1]), make("span", { textContent: `${at + 1} / ${all.length}` }),
      step("›", "Version after", all[at + 1]),
    );
    return group;
  }

  /** Puts in what the server wrote, with what was said since behind it as plain text. */
  function fill(turn, html, tail = "") {
    const open = $("details", turn.prose)?.open;
    // The server escaped all foreign text, and the content policy allows no inline script.
    const parsed = new DOMParser().parseFromString(html, "text/html");
    turn.prose.replaceChildren(...parsed.body.childNodes);
    const thought = $("details", turn.prose);
    if (thought && open) thought.open = true;
    if (tail) turn.prose.append(make("p", { className: "tail", textContent: tail }));
    turn.prose.dispatchEvent(new Event("dress-up", { bubbles: true }));
  }

  const said = ({ role, text, reasoning, files, pictures, model, reason, tokens, at }) => ({
    role, text, reasoning, files, pictures: pictures.map(({ name, media_type, bytes }) => ({ name, media_type, bytes })), model: model ?? null, reason: reason ?? null, tokens: tokens ?? null, at,
  });

  async function post(address, body) {
    const answer = await fetch(address, {
      method: "POST", headers: { "content-type": "application/json", accept: "text/html" }, body: JSON.stringify(body),
    });
    if (answer.ok) return answer;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const reason = page.querySelector("main .lead")?.textContent ?? `The library answered ${answer.status}.`;
    throw Object.assign(new Error(reason), { status: answer.status });
  }

  async function rendered(turn) {
    turn.html = await (await post("/chat/render", said(turn))).text();
    return turn.html;
  }

  const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
  const toEnd = () => scrollTo({ top: document.documentElement.scrollHeight });

  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea", { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    say("Copied");
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  // === Trouble ===

  /** Tells what is wrong, and offers what helps: pairs of a text and an address or an action. */
  function trouble(text, ...ways) {
    const line = make("p", { textContent: text });
    const actions = make("p", { className: "actions" });
    for (const [label, way] of ways) {
      actions.append(typeof way === "string"
        ? make("a", { className: "button plain", href: way, textContent: label })
        : make("button", { type: "button", className: "button plain", textContent: label, onclick: way }));
    }
    places.trouble.replaceChildren(line, ...(ways.length ? [actions] : []));
    places.trouble.hidden = false;
    places.trouble.scrollIntoView({ block: "nearest" });
  }

  function calm() {
    places.trouble.hidden = true;
    places.trouble.replaceChildren();
  }

  function explain(error, retry) {
    const again = ["Try again", retry];
    const code = error.code ?? "";
    if (code === "model_not_found") {
      trouble(error.message, ["See the models", "/shelf"], again);
    } else if (code === "context_length_exceeded") {
      const room = error.tokens ? ` (${error.tokens} tokens, and the model takes ${error.context})` : "";
      const shorten = () => { $("#p-truncate").checked = true; retry(); };
      trouble(`The conversation is too long for the model${room}.`, ["Leave the oldest out", shorten], ["New chat", "/chat"]);
    } else if (error.status === 401) {
      trouble(`${error.message} This page has no key; open it on the machine itself.`, again);
    } else if (error instanceof TypeError) {
      trouble("The library does not answer. Is it still running?", again);
    } else {
      trouble(error.message, again);
    }
  }

  // === Asking ===

  const number = (name) => {
    const field = $(`#p-${name}`);
    return field.value === "" || !field.checkValidity() ? null : Number(field.value);
  };

  function request(way) {
    const messages = way.map((id) => turns.get(id)).filter((turn) => turn.role === "user" || turn.role === "assistant")
      .filter((turn) => !turn.hidden)
      .map((turn) => ({ role: turn.role, content: forModel(turn) }));
    const system = $("#p-system").value.trim();
    if (system) messages.unshift({ role: "system", content: system });
    const body = { model: places.model.value, messages, stream: true, stream_options: { include_usage: true } };
    for (const name of NUMBERS) {
      const value = number(name);
      if (value !== null) body[name] = value;
    }
    if ($("#p-truncate").checked) body.truncation = "auto";
    return body;
  }

  function forModel(turn) {
    const shown = turn.files.map(({ name, text }) => {
      const fence = "`".repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length + 1)));
      return `File ${name}:\n${fence}\n${text}\n${fence}`;
    });
    const text = [turn.text, ...shown].filter((part) => part !== "").join("\n\n");
    const seen = turn.pictures.filter((picture) => picture.data).map(({ data }) => ({ type: "image_url", image_url: { url: data } }));
    if (!seen.length) return text;
    return text === "" ? seen : [...seen, { type: "text", text }];
  }

  /** Yields the objects of a stream of server-sent events. */
  async function* events(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let waiting = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      waiting += value;
      const lines = waiting.split("\n");
      waiting = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]") return;
        yield JSON.parse(data);
      }
    }
  }

  function failure(body, status) {
    const error = body?.error ?? {};
    return Object.assign(new Error(error.message ?? body?.detail ?? `The library answered ${status}.`), {
      code: error.code, status, tokens: error.n_prompt_tokens, context: error.n_ctx,
    });
  }

  /** Has the way answered, as a new turn behind it. */
  async function answer(way) {
    calm();
    const turn = addTurn({ role: "assistant", parent: way.at(-1), model: places.model.value });
    path = [...way, turn.id];
    running = { turn, abort: new AbortController() };
    const { signal } = running.abort;
    setBusy(true);
    show();
    turn.article.setAttribute("aria-busy", "true");
    turn.prose.replaceChildren(make("p", { className: "quiet waiting", textContent: "…" }));
    toEnd();
    const waiting = setTimeout(() => {
      const line = $(".waiting", turn.prose);
      if (line) line.textContent = "Reading what was said …";
    }, 1500);
    let warnings = [];
    const shown = showWhileItComes(turn);
    let began = 0;
    try {
      const reply = await fetch("/v1/chat/completions", {
        // The page keeps the conversation itself, with its branches and files.
        method: "POST", signal, headers: { "content-type": "application/json", "x-athenaeum-keep": "false" },
        body: JSON.stringify(request(way)),
      });
      if (!reply.ok) throw failure(await reply.json().catch(() => null), reply.status);
      for await (const event of events(reply.body)) {
        if (event.error) throw failure(event, reply.status);
        const choice = event.choices?.[0];
        const delta = choice?.delta ?? {};
        if (delta.content || delta.reasoning_content) began ||= performance.now();
        turn.text += delta.content ?? "";
        turn.reasoning += delta.reasoning_content ?? "";
        for (const call of delta.tool_calls ?? []) turn.text += call.function?.arguments ?? "";
        if (event.model) turn.model = event.model;
        if (choice?.finish_reason) turn.reason = choice.finish_reason;
        if (event.usage) turn.tokens = event.usage.completion_tokens;
        if (event.warnings) warnings = event.warnings;
        shown.note();
      }
    } catch (error) {
      if (!signal.aborted) {
        finish(turn, waiting, shown);
        if (turn.text || turn.reasoning) {
          turn.reason = "failed";
          await settle(turn);
        } else {
          drop(turn, way);
        }
        explain(error, () => (turns.has(turn.id) ? regenerate(turn) : answer(way)));
        return;
      }
      turn.reason = "stopped";
    }
    finish(turn, waiting, shown);
    if (!turn.text && !turn.reasoning) {
      drop(turn, way);
      if (turn.reason === "stopped") trouble("Stopped before a word was said.", ["Try again", () => answer(way)]);
      else trouble("The model answered nothing.", ["Try again", () => answer(way)], ["See the models", "/shelf"]);
      return;
    }
    const seconds = (performance.now() - began) / 1000;
    turn.told = told(turn, seconds);
    await settle(turn, warnings);
    say(turn.reason === "stopped" ? "Stopped" : "The model has answered");
  }

  function told(turn, seconds) {
    const parts = [];
    if (turn.tokens) {
      parts.push(`${turn.tokens} tokens`);
      const rate = (turn.tokens - 1) / seconds;
      if (rate > 0 && Number.isFinite(rate)) parts.push(`${rate.toFixed(rate < 100 ? 1 : 0)} a second`);
    }
    if (turn.reason === "stopped") parts.push("stopped");
    if (turn.reason === "length") parts.push("cut off: as many tokens as were allowed, or as fit");
    return parts.join(", ");
  }

  function finish(turn, waiting, shown) {
    clearTimeout(waiting);
    shown.end();
    running = null;
    setBusy(false);
    turn.article.removeAttribute("aria-busy");
  }

  /** Takes back an answer of which nothing came. */
  function drop(turn, way) {
    turns.delete(turn.id);
    path = way;
    show();
  }

  /** Shows an answer as the archive would, and keeps it. */
  async function settle(turn, warnings = []) {
    const follows = atEnd();
    try {
      fill(turn, await rendered(turn));
    } catch (error) {
      fill(turn, "", turn.text);
      trouble(error.message);
    }
    if (warnings.length) {
      const list = make("ul", {}, ...warnings.map(({ parameter, reason }) => make("li", { textContent: `${parameter}: ${reason}` })));
      turn.prose.append(make("div", { className: "notice warnings" }, make("p", { textContent: "Not all was done as asked:" }), list));
    }
    show();
    if (follows) toEnd();
    await keep();
  }

  /** Plain text as it comes, and what the server made of it now and then: the longer that takes, the more rarely. */
  function showWhileItComes(turn) {
    let timer = 0;
    let pause = 250;
    let html = "";
    let upTo = 0;
    let over = false;
    const tail = () => turn.text.slice(upTo) || (turn.text ? "" : turn.reasoning && !html ? turn.reasoning : "");
    async function render() {
      timer = 0;
      const started = performance.now();
      const length = turn.text.length;
      try {
        const now = await rendered(turn);
        if (over) return;
        html = now;
        upTo = length;
        paint();
      } catch { /* it stays plain until the end */ }
      pause = Math.max(250, 8 * (performance.now() - started));
      if (!over && turn.text.length > upTo) timer ||= setTimeout(render, pause);
    }
    function paint() {
      const follows = atEnd();
      fill(turn, html, tail());
      if (follows) toEnd();
    }
    return {
      note() {
        if (over || !(turn.text || turn.reasoning)) return;
        const last = $(".tail", turn.prose);
        if (last && turn.text) {
          const follows = atEnd();
          last.textContent = tail();
          if (follows) toEnd();
        } else { paint(); }
        timer ||= setTimeout(render, pause);
      },
      end() { over = true; clearTimeout(timer); },
    };
  }

  function setBusy(busy) {
    places.send.hidden = busy;
    places.stop.hidden = !busy;
    room.classList.toggle("busy", busy);
  }

  async function ask(text, attached, seen, parent) {
    const turn = addTurn({ role: "user", parent, text, files: attached, pictures: seen });
    path = [...before(turn), turn.id];
    show();
    fill(turn, "", text);
    const way = path;
    rendered(turn).then((html) => fill(turn, html)).catch(() => {});
    await answer(way);
  }

  const regenerate = (turn) => { if (!running) answer(before(turn)); };

  function edit(turn) {
    if (running) return;
    const area = make("textarea", { value: turn.text, rows: Math.min(12, turn.text.split("\n").length + 1) });
    area.setAttribute("aria-label", "Ask this otherwise");
    const back = () => { fill(turn, turn.html); turn.article.focus(); };
    const send = () => { if (area.value.trim() && !running) { back(); ask(area.value, turn.files, turn.pictures, turn.parent); } };
    area.onkeydown = (event) => {
      if (event.key === "Escape") { event.stopPropagation(); back(); }
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
    };
    turn.prose.replaceChildren(make("div", { className: "edit" }, area, make("p", { className: "actions" },
      make("button", { type: "button", className: "button", textContent: "Send", onclick: send }),
      make("button", { type: "button", className: "button plain", textContent: "Cancel", onclick: back }))));
    area.focus();
  }

  // === Keeping ===

  async function keep(everything = false) {
    const tell = (id) => {
      const turn = turns.get(id);
      return turn.kept && !everything ? { id } : { id, said: said(turn) };
    };
    const way = path;
    try {
      const answered = await post("/chat/keep", {
        token: room.dataset.token, conversation, system: $("#p-system").value.trim(),
        temperature: number("temperature"), max_tokens: number("max_tokens"), path: way.map(tell),
      });
      const at = await answered.json();
      for (const id of way) turns.get(id).kept = true;
      // A turn that lost its place by being moved to another conversation is told again with it.
      history.replaceState(null, "", at.chat);
      $("#kept-at").href = at.conversation;
      $("#kept-at").hidden = false;
      $("#another").hidden = false;
    } catch (error) {
      if (error.status === 409 && !everything) {
        // It was deleted, or somebody else's page has gone on with it: what is shown here becomes another one.
        anew();
        await keep(true);
        return;
      }
      const reason = error instanceof TypeError ? "The library does not answer." : error.message;
      trouble(`The last answer is not kept. ${reason}`, ["Keep it now", () => { calm(); keep(); }]);
    }
  }

  /** Gives the conversation and its turns other names, without those that a page cannot tell. */
  function anew() {
    conversation = newName();
    const names = new Map([...turns.keys()].map((id) => [id, newName()]));
    const seen = (id) => { while (id !== null && turns.get(id).hidden) id = turns.get(id).parent; return id; };
    const all = [...turns.values()].filter((turn) => !turn.hidden);
    const parents = all.map((turn) => { const parent = seen(turn.parent); return parent === null ? null : names.get(parent); });
    path = path.filter((id) => !turns.get(id).hidden).map((id) => names.get(id));
    all.forEach((turn, at) => { turn.parent = parents[at]; turn.kept = false; turn.id = names.get(turn.id); });
    turns.clear();
    for (const turn of all) turns.set(turn.id, turn);
  }

  async function load(address) {
    try {
      const answered = await fetch(address, { headers: { accept: "text/html" } });
      if (!answered.ok) throw new Error(`The conversation cannot be read (${answered.status}).`);
      const kept = await answered.json();
      for (const turn of kept.turns) turns.set(turn.id, { ...turn, kept: kept.conversation !== null });
      path = kept.path;
      if (kept.conversation === null) anew(); else conversation = kept.conversation;
      $("#p-system").value = kept.system;
      if (kept.temperature !== null) $("#p-temperature").value = kept.temperature;
      if (kept.max_tokens !== null) $("#p-max_tokens").value = kept.max_tokens;
      peek();
      $("#kept-at").href = kept.page;
      $("#kept-at").hidden = false;
      show();
      toEnd();
      await chooseModel(kept.model);
      const last = turns.get(path.at(-1));
      if (last?.role === "user") trouble("The last question has no answer yet.", ["Answer it", () => answer(path)]);
    } catch (error) {
      trouble(error.message, ["All conversations", "/conversations"]);
    }
  }

  // === Models and settings ===

  const remembered = {
    get(name) { try { return localStorage.getItem(name); } catch { return null; } },
    set(name, value) { try { localStorage.setItem(name, value); } catch { /* it lasts for this page */ } },
  };

  /** Names of models that see. */
  let seeing = [];

  /** Whether pictures wait for a model that does not see; tells what helps. */
  function isBlind() {
    if (!pictures.length || !places.model.value || seeing.includes(places.model.value)) return false;
    const use = (name) => [`Ask ${name}`, () => {
      places.model.value = name;
      remembered.set("model", name);
      calm();
      places.ask.focus();
    }];
    const ways = seeing.length ? seeing.slice(0, 3).map(use) : [["Get one that sees", "/shelf"]];
    const leave = ["Leave the pictures out", () => { pictures = []; showFiles(); calm(); places.ask.focus(); }];
    trouble(`${places.model.value} sees no pictures.`, ...ways, leave);
    return true;
  }

  async function chooseModel(wanted) {
    try {
      const answered = await fetch("/v1/models");
      if (!answered.ok) throw failure(await answered.json().catch(() => null), answered.status);
      const models = (await answered.json()).data.filter((model) => model.purpose === "generate");
      seeing = models.filter((model) => model.capabilities.includes("vision")).map((model) => model.id);
      const options = models.map((model) => {
        const marks = [seeing.includes(model.id) && "sees pictures", model.loaded && "loaded"].filter(Boolean).join(", ");
        return make("option", { value: model.id, textContent: marks ? `${model.id} (${marks})` : model.id });
      });
      places.model.replaceChildren(...options);
      const asked = new URL(location.href).searchParams.get("model");
      const choices = [asked, wanted, remembered.get("model"), models.find((model) => model.loaded)?.id];
      const chosen = choices.find((name) => models.some((model) => model.id === name));
      if (chosen) places.model.value = chosen;
      if (!models.length) {
        places.model.replaceChildren(make("option", { value: "", textContent: "No model is here yet" }));
        trouble("No model that can chat is on this machine yet.", ["Get one", "/shelf"], ["Look again", () => { calm(); chooseModel(wanted); }]);
      }
    } catch (error) {
      explain(error, () => { calm(); chooseModel(wanted); });
    }
  }

  function peek() {
    const set = NUMBERS.filter((name) => number(name) !== null).map((name) => `${$(`label[for=p-${name}]`).textContent} ${number(name)}`);
    if ($("#p-system").value.trim()) set.unshift("Instructions");
    $("#settings-peek").textContent = set.join(" · ") || "as usual";
  }

  // === Files ===

  async function attach(list) {
    const refused = [];
    for (const file of list) {
      if (files.length + pictures.length >= FILES_MAX) { refused.push(`${file.name}: at most ${FILES_MAX} files go along`); continue; }
      if (file.type.startsWith("image/") && file.type !== "image/svg+xml") {
        try { pictures.push(await picture(file)); } catch (error) { refused.push(error.message); }
        continue;
      }
      if (file.size > FILE_BYTES_MAX) { refused.push(`${file.name} has more than 1 MB; give the part that matters`); continue; }
      const bytes = new Uint8Array(await file.arrayBuffer());
      try {
        const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
        if (text.includes("\0")) throw new Error();
        files.push({ name: file.name.slice(0, 200), text });
      } catch {
        refused.push(`${file.name} is neither text nor a picture, and models here take nothing else`);
      }
    }
    showFiles();
    if (refused.length) trouble(`Not attached: ${refused.join("; ")}.`);
    else isBlind();
    places.ask.focus();
  }

  /** Takes a picture in: as it is, for the model, and as what it shows, for people. */
  async function picture(file) {
    const name = file.name.slice(0, 200) || "Picture";
    if (!PICTURE_TYPES.includes(file.type)) throw new Error(`${name} is no PNG, JPEG, WebP, GIF or BMP`);
    if (file.size > PICTURE_BYTES_MAX) throw new Error(`${name} has more than 20 MB`);
    const bitmap = await createImageBitmap(file).catch(() => { throw new Error(`${name} holds no picture that can be read`); });
    const data = await new Promise((done, failed) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.onerror = () => failed(new Error(`${name} cannot be read`));
      reader.readAsDataURL(file);
    });
    return { name, media_type: file.type, bytes: file.size, data, bitmap };
  }

  function showFiles() {
    places.files.hidden = files.length + pictures.length === 0;
    const entry = (name, bytes, leave, ...before) => {
      const remove = make("button", { type: "button", className: "x", textContent: "×" });
      remove.setAttribute("aria-label", `Leave ${name} out`);
      remove.onclick = () => { leave(); showFiles(); };
      const size = make("span", { className: "quiet", textContent: ` ${Math.max(1, Math.round(bytes / 1000))} kB ` });
      return make("li", {}, ...before, name, size, remove);
    };
    places.files.replaceChildren(
      ...pictures.map((shown) => entry(shown.name, shown.bytes, () => { pictures = pictures.filter((other) => other !== shown); }, canvas(shown, 72, 48))),
      ...files.map((file) => entry(file.name, new Blob([file.text]).size, () => { files = files.filter((other) => other !== file); })),
    );
  }

  // === Begin ===

  const grow = () => {
    places.ask.style.height = "auto";
    places.ask.style.height = `${Math.min(places.ask.scrollHeight + 2, innerHeight * 0.4)}px`;
  };

  places.composer.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = places.ask.value.trim();
    if (running || (!text && !files.length && !pictures.length) || isBlind()) return;
    const wrong = NUMBERS.map((name) => $(`#p-${name}`)).find((field) => !field.checkValidity());
    if (wrong) { $("#settings").open = true; wrong.reportValidity(); return; }
    const [attached, seen] = [files, pictures];
    [files, pictures] = [[], []];
    places.ask.value = "";
    showFiles();
    grow();
    ask(text, attached, seen, path.at(-1) ?? null);
  });
  places.ask.addEventListener("input", grow);
  places.ask.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    places.composer.requestSubmit();
  });
  places.ask.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) { event.preventDefault(); attach([...event.clipboardData.files]); }
  });
  places.stop.addEventListener("click", () => running?.abort.abort());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !running) return;
    event.preventDefault();
    event.stopPropagation();
    running.abort.abort();
    places.ask.focus();
  }, true);
  places.attach.addEventListener("change", () => { attach([...places.attach.files]); places.attach.value = ""; });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    room.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      room.classList.toggle("over", kind === "dragover");
      if (kind === "drop") attach([...event.dataTransfer.files]);
    });
  }
  places.model.addEventListener("change", () => {
    remembered.set("model", places.model.value);
    if (pictures.length && !isBlind()) calm();
  });
  $("#settings").addEventListener("input", peek);
  addEventListener("beforeunload", (event) => { if (running) event.preventDefault(); });
  peek();
  if (room.dataset.turns) load(room.dataset.turns);
  else chooseModel(null);
})();
