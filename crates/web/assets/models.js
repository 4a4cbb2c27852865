// The models page: it shows what the API tells of the models, and asks it to load, fetch and remove them.
"use strict";

(() => {
  const room = document.querySelector("#models");
  if (!room) return;
  const $ = (selector, root = room) => root.querySelector(selector);
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children.filter(Boolean));
    return element;
  };
  const say = (text) => { document.querySelector("#live").textContent = text; };
  const ROOT = "/athenaeum/v1";
  const busy = new Map();
  const told = new Map();
  const followed = new Map();

  // === Asking ===

  async function ask(method, address, body) {
    const request = { method, headers: { accept: "application/json" } };
    if (body) {
      request.headers["content-type"] = "application/json";
      request.body = JSON.stringify(body);
    }
    let answer;
    try {
      answer = await fetch(ROOT + address, request);
    } catch {
      throw new Error("The library does not answer. Is it still running?");
    }
    const text = await answer.text();
    const value = text ? JSON.parse(text) : null;
    if (!answer.ok) throw new Error(value?.detail ?? `The library answered ${answer.status}.`);
    return value;
  }

  function trouble(error) {
    const note = $("#trouble");
    note.hidden = !error;
    note.replaceChildren(make("p", { textContent: error?.message ?? "" }));
    if (error) note.scrollIntoView({ block: "nearest" });
  }

  // === Figures for people ===

  function bytes(count) {
    const units = ["bytes", "kB", "MB", "GB", "TB"];
    let at = 0;
    let size = count;
    while (size >= 999.5 && at < units.length - 1) { size /= 1000; at += 1; }
    return `${at === 0 || size >= 10 ? Math.round(size) : size.toFixed(1)} ${units[at]}`;
  }

  const rounded = (count) => {
    const steps = [[1e9, "B"], [1e6, "M"], [1e3, "K"]];
    const step = steps.find(([size]) => count >= size);
    return step ? `${(count / step[0]).toFixed(1)}${step[1]}` : String(count);
  };

  function seconds(count) {
    if (count < 90) return `${Math.max(1, Math.round(count))} s`;
    return count < 5400 ? `${Math.round(count / 60)} min` : `${(count / 3600).toFixed(1)} h`;
  }

  // === What is here ===

  let reading = 0;

  async function refresh() {
    const number = ++reading;
    try {
      const page = await ask("GET", "/models");
      if (number !== reading) return;
      show(page);
    } catch (error) {
      if (number === reading) trouble(error);
    }
  }

  function show(page) {
    const focus = document.activeElement?.dataset?.focus;
    const list = $("#list");
    list.replaceChildren(...page.models.map(card), ...page.elsewhere.map(elsewhere));
    if (!list.children.length) {
      list.append(make("li", { className: "quiet", textContent: "No model is here yet. Fetch one below, or put a GGUF file into the folder of models." }));
    }
    if (focus) $(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
    $("#memory").hidden = page.budget_bytes === null;
    if (page.budget_bytes !== null) {
      $("#memory-told").textContent = `${bytes(page.used_bytes)} of the ${bytes(page.budget_bytes)} that models may take are used.`;
      $("#memory-bar").max = page.budget_bytes || 1;
      $("#memory-bar").value = page.used_bytes;
    }
    $("#unusable").hidden = page.unusable.length === 0;
    $("#unusable-peek").textContent = `${page.unusable.length} that look like models`;
    $("#unusable-list").replaceChildren(...page.unusable.map(({ name, reason }) => make("li", { textContent: `${name || "?"}: ${reason}` })));
  }

  const PURPOSES = { generate: "writes", embed: "makes vectors", rerank: "scores texts" };
  const MOODS = { yes: "good", tight: "busy", no: "bad" };
  const VERDICTS = { yes: "fits", tight: "fits just so", no: "does not fit" };

  function card(model) {
    const loaded = model.loaded;
    const doing = busy.get(model.name);
    const badges = make("span", { className: "badges" });
    if (loaded) badges.append(make("span", { className: "badge good", textContent: loaded.loading ? "loading" : "loaded" }));
    if (model.fit && (!loaded || model.fit.verdict !== "yes")) {
      badges.append(make("span", { className: `badge ${MOODS[model.fit.verdict]}`, textContent: VERDICTS[model.fit.verdict] }));
    }
    const facts = [
      PURPOSES[model.purpose] ?? model.purpose, model.architecture, `${rounded(model.parameters)} parameters`, model.quantization,
      model.vision && "sees pictures", bytes(model.bytes), model.context_tokens && `${model.context_tokens.toLocaleString("en")} tokens of context`, model.found_in,
    ];
    const notes = [model.fit?.reason];
    if (loaded) {
      const users = loaded.users === 1 ? "1 request uses it" : `${loaded.users} requests use it`;
      const leaves = loaded.leaves_in_seconds === null ? "" : `; it goes in ${seconds(loaded.leaves_in_seconds)} if nobody does`;
      notes.push(`It takes ${bytes(loaded.bytes)} of memory; ${loaded.users ? users : `nobody uses it${leaves}`}.`);
    }
    if (model.source) notes.push(`From ${model.source}.`);
    const actions = make("div", { className: "model-actions" });
    const button = (text, action, extra = "") => {
      const element = make("button", { type: "button", className: `button plain ${extra}`, textContent: text, disabled: Boolean(doing) });
      element.dataset.focus = `${model.name} ${text}`;
      element.setAttribute("aria-label", `${text}: ${model.name}`);
      element.onclick = () => action(element);
      actions.append(element);
    };
    if (model.purpose === "generate") {
      actions.append(make("a", { className: "button", href: `/chat?model=${encodeURIComponent(model.name)}`, textContent: "Chat" }));
    }
    if (loaded && !loaded.loading) button("Unload", () => act(model, "unloading", "POST", "/unload"));
    else if (!loaded) button("Load", () => act(model, "loading", "POST", "/load"));
    if (model.purpose === "generate") button("Speed", () => measure(model));
    if (model.removable) button("Remove", (element) => remove(model, element), "remove");
    const line = told.get(model.name);
    return make("li", { className: "model-card" },
      make("div", { className: "model-head" }, make("h2", { textContent: model.name }), badges),
      make("p", { className: "meta" }, ...facts.filter(Boolean).map((fact) => make("span", { textContent: fact }))),
      ...notes.filter(Boolean).map((note) => make("p", { className: "small quiet", textContent: note })),
      doing && make("p", { className: "small", textContent: `${doing} …` }),
      line && make("p", { className: "small figures-line", textContent: line }),
      actions);
  }

  const ENGINES = { vllm: "a vLLM server", "llama.cpp": "a llama.cpp server", ollama: "an Ollama server", openai: "a server with OpenAI's API" };

  function elsewhere(model) {
    const facts = [
      "writes", model.vision && "sees pictures", model.model !== model.name && `there called ${model.model}`,
      model.context_tokens && `${model.context_tokens.toLocaleString("en")} tokens of context`,
    ];
    const badges = make("span", { className: "badges" }, make("span", { className: "badge", textContent: "elsewhere" }));
    return make("li", { className: "model-card" },
      make("div", { className: "model-head" }, make("h2", { textContent: model.name }), badges),
      make("p", { className: "meta" }, ...facts.filter(Boolean).map((fact) => make("span", { textContent: fact }))),
      make("p", { className: "small quiet", textContent: `It runs on ${ENGINES[model.engine] ?? "another engine"}, which the settings name; what is said to it leaves this program.` }),
      make("div", { className: "model-actions" },
        make("a", { className: "button", href: `/chat?model=${encodeURIComponent(model.name)}`, textContent: "Chat" })));
  }

  const placeOf = (model) => `/models/${encodeURIComponent(model.name)}`;

  async function act(model, doing, method, end) {
    trouble(null);
    busy.set(model.name, doing);
    refresh();
    try {
      const answer = await ask(method, placeOf(model) + end);
      say(`${model.name}: done`);
      return answer;
    } catch (error) {
      trouble(error);
      return null;
    } finally {
      busy.delete(model.name);
      refresh();
    }
  }

  async function measure(model) {
    const speed = await act(model, "measuring", "POST", "/speed");
    if (!speed) return;
    const rate = (number) => number.toFixed(number < 100 ? 1 : 0);
    const line = `Reads ${rate(speed.prompt_tokens_per_second)} tokens a second and writes ${rate(speed.generated_tokens_per_second)}; the first comes after ${rate(speed.first_token_ms)} ms.`;
    told.set(model.name, line);
    say(line);
    refresh();
  }

  function remove(model, button) {
    if (button.dataset.sure) { act(model, "removing", "DELETE", ""); return; }
    button.dataset.sure = "yes";
    button.textContent = "Remove for good?";
    button.classList.add("danger");
    say(`${model.name} will be removed for good: press once more`);
    setTimeout(() => {
      if (!button.isConnected) return;
      delete button.dataset.sure;
      button.textContent = "Remove";
      button.classList.remove("danger");
    }, 5000);
  }

  // === Fetching ===

  const PHASES = { asking: "Asking which files there are", reading: "Reading what had come before", fetching: "Fetching", waiting: "Waiting", opening: "Looking whether it can be used" };

  function pullCard(pull) {
    const bar = make("progress", {});
    bar.setAttribute("aria-label", `Fetching ${pull.source}`);
    const line = make("p", { className: "small quiet" });
    const actions = make("div", { className: "model-actions" });
    const item = make("li", { className: "model-card" },
      make("div", { className: "model-head" }, make("h2", { textContent: pull.name ?? pull.source })), bar, line, actions);
    item.update = (now) => {
      const progress = now.progress;
      bar.hidden = now.status !== "running";
      if (progress) {
        if (progress.bytes_total) { bar.max = progress.bytes_total; bar.value = progress.bytes; } else bar.removeAttribute("value");
        const parts = [progress.reason ? `${progress.reason}; it will be tried again` : PHASES[progress.phase]];
        if (progress.bytes_total) parts.push(`${bytes(progress.bytes)} of ${bytes(progress.bytes_total)}`);
        if (progress.bytes_per_second) {
          parts.push(`${bytes(progress.bytes_per_second)} a second`);
          if (progress.bytes_total) parts.push(`${seconds((progress.bytes_total - progress.bytes) / progress.bytes_per_second)} left`);
        }
        line.textContent = parts.join(", ");
      }
      const ends = {
        completed: () => [`It is here${now.fetched_bytes ? `: ${bytes(now.fetched_bytes)} came, and were checked` : " already"}.`, ...now.notes].join(" "),
        failed: () => now.problem?.detail ?? "It could not be fetched.",
        cancelled: () => "Cancelled. What had come is kept, and gone on with when it is fetched again.",
      };
      if (ends[now.status]) {
        line.textContent = ends[now.status]();
        item.classList.toggle("failed", now.status === "failed");
      }
      const button = (text, action) => {
        const element = make("button", { type: "button", className: "button plain", textContent: text, onclick: action });
        element.setAttribute("aria-label", `${text}: ${pull.source}`);
        return element;
      };
      if (now.status === "running") {
        if (!actions.firstChild) actions.append(button("Cancel", () => ask("DELETE", `/pulls/${pull.id}`).catch(trouble)));
      } else if (now.status === "completed") {
        actions.replaceChildren();
      } else {
        actions.replaceChildren(button("Go on", () => { item.remove(); fetchModel(pull.source, pull.name ?? ""); }));
      }
    };
    item.update(pull);
    return item;
  }

  function follow(pull) {
    if (followed.has(pull.id)) return;
    const item = pullCard(pull);
    followed.set(pull.id, item);
    $("#pulls").prepend(item);
    if (pull.status !== "running") return;
    const events = new EventSource(pull.events);
    events.addEventListener("progress", (event) => item.update(JSON.parse(event.data)));
    for (const end of ["completed", "failed", "cancelled"]) {
      events.addEventListener(end, (event) => {
        events.close();
        const now = JSON.parse(event.data);
        item.update(now);
        say($("p", item).textContent);
        refresh();
      });
    }
  }

  async function fetchModel(source, name) {
    trouble(null);
    try {
      follow(await ask("POST", "/pulls", name ? { source, name } : { source }));
    } catch (error) {
      trouble(error);
    }
  }

  // === Begin ===

  $("#pull").addEventListener("submit", async (event) => {
    event.preventDefault();
    await fetchModel($("#source").value.trim(), $("#name").value.trim());
  });
  ask("GET", "/pulls").then((page) => page.pulls.reverse().forEach(follow)).catch(trouble);
  refresh();
  // What others load, and what goes by itself, shows without a reload.
  setInterval(() => { if (!document.hidden && !busy.size && !$("[data-sure]")) refresh(); }, 10000);
})();
