// Everything here is a convenience: each page works without it.
"use strict";

(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const say = (text) => { const live = $("#live"); if (live) live.textContent = text; };

  // === Light and dark ===

  function switchTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* the choice lasts for this page */ }
    say(dark ? "Light theme" : "Dark theme");
  }

  // === Results while typing ===

  let pending = null;
  let timer = 0;

  function searchAddress(form) {
    const address = new URL("/search", location.href);
    for (const [name, value] of new FormData(form)) {
      if (value !== "") address.searchParams.append(name, value);
    }
    return address;
  }

  async function showResults(address, { push = false } = {}) {
    const results = $("#results");
    pending?.abort();
    const request = new AbortController();
    pending = request;
    $(".search-box")?.classList.add("busy");
    try {
      const fragment = new URL(address);
      fragment.pathname = "/search/results";
      let answer = await fetch(fragment, { signal: request.signal, headers: { accept: "text/html" } });
      if (answer.status === 429) {
        // Typed faster than the server lets anybody search: ask once more when it says.
        const seconds = Number(answer.headers.get("retry-after")) || 1;
        await new Promise((resolve) => { setTimeout(resolve, Math.min(seconds, 5) * 1000); });
        if (request.signal.aborted) return;
        answer = await fetch(fragment, { signal: request.signal, headers: { accept: "text/html" } });
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const html = await answer.text();
      if (request.signal.aborted) return;
      // The server escaped all foreign text and the content policy allows no inline script.
      const parsed = new DOMParser().parseFromString(html, "text/html");
      results.replaceChildren(...parsed.body.childNodes);
      history[push ? "pushState" : "replaceState"](null, "", address);
      const query = address.searchParams.get("q") ?? "";
      document.title = `${query ? `${query} · ` : ""}Search · Athenaeum`;
      syncHidden(address);
      dressUp(results);
      say($("[data-status]", results)?.textContent?.trim() ?? "");
    } catch (problem) {
      if (problem.name !== "AbortError") {
        say("The library does not answer. Is it still running?");
        results.replaceChildren(Object.assign(document.createElement("p"), {
          className: "notice", textContent: "The library does not answer. Is it still running?",
        }));
      }
    } finally {
      if (pending === request) {
        pending = null;
        $(".search-box")?.classList.remove("busy");
      }
    }
  }

  // The search form carries the filters in hidden fields; after a filter was chosen they must follow.
  function syncHidden(address) {
    const form = $("#search-form");
    $$("input[type=hidden]", form).forEach((input) => input.remove());
    for (const [name, value] of address.searchParams) {
      if (name === "q" || name === "cursor" || name === "open") continue;
      const input = Object.assign(document.createElement("input"), { type: "hidden", name, value });
      form.append(input);
    }
  }

  function startSearchPage() {
    const form = $("#search-form");
    if (!form || !$("#results")) return;
    const box = $("input[name=q]", form);
    box.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => showResults(searchAddress(form)), 120);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(timer);
      showResults(searchAddress(form));
    });
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-results]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      showResults(new URL(link.href), { push: true }).then(() => {
        if (link.rel === "next") $("#results [data-item]")?.focus();
      });
    });
    document.addEventListener("submit", (event) => {
      if (!event.target.matches("form[data-results]")) return;
      event.preventDefault();
      showResults(searchAddress(event.target), { push: true });
    });
    addEventListener("popstate", () => {
      const address = new URL(location.href);
      if (address.pathname !== "/search") return;
      box.value = address.searchParams.get("q") ?? "";
      showResults(address);
    });
  }

  // === A message opened in place ===

  document.addEventListener("click", async (event) => {
    const opener = event.target.closest("a[data-open]");
    if (!opener || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    const hit = opener.closest(".hit");
    const shown = $(".in-place", hit);
    if (shown) {
      shown.remove();
      opener.setAttribute("aria-expanded", "false");
      opener.textContent = "Read here";
      return;
    }
    const answer = await fetch(opener.dataset.open, { headers: { accept: "text/html" } });
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    const place = document.createElement("div");
    place.className = "in-place prose";
    place.tabIndex = -1;
    place.append(...parsed.body.childNodes);
    hit.append(place);
    dressUp(place);
    opener.setAttribute("aria-expanded", "true");
    opener.textContent = "Fold away";
    $("mark", place)?.scrollIntoView({ block: "nearest" });
  });

  // === Copying ===

  function dressUp(root) {
    for (const facets of $$(".facets", root)) {
      facets.open = !matchMedia("(max-width: 60rem)").matches;
      facets.dataset.ready = "";
    }
    for (const bar of $$(".code-bar", root)) {
      if ($("button", bar)) continue;
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy" });
      button.setAttribute("aria-label", "Copy this code");
      button.addEventListener("click", async () => {
        await copy(bar.nextElementSibling.textContent);
        button.textContent = "Copied";
        say("Copied");
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      bar.append(button);
    }
  }

  // Other scripts of ours put in what the server wrote, and ask for it.
  document.addEventListener("dress-up", (event) => dressUp(event.target));

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  // === Import ===

  function startUpload() {
    const form = $("#import-form");
    if (!form) return;
    const input = $("input[type=file]", form);
    const area = $(".drop", form);
    const status = $("#upload-status");
    const bar = $("progress", status);
    const line = $("p", status);
    for (const kind of ["dragenter", "dragover"]) {
      area.addEventListener(kind, (event) => { event.preventDefault(); area.classList.add("over"); });
    }
    for (const kind of ["dragleave", "drop"]) {
      area.addEventListener(kind, (event) => { event.preventDefault(); area.classList.remove("over"); });
    }
    area.addEventListener("drop", (event) => {
      if (event.dataTransfer.files.length) { input.files = event.dataTransfer.files; send(); }
    });
    input.addEventListener("change", () => { if (input.files.length) send(); });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (input.files.length) send(); else input.click();
    });

    function send() {
      const request = new XMLHttpRequest();
      const names = [...input.files].map((file) => file.name).join(", ");
      const data = new FormData(form);
      request.open("POST", form.action);
      request.setRequestHeader("accept", "text/html");
      area.hidden = true;
      status.hidden = false;
      line.textContent = `Handing over ${names} …`;
      say(line.textContent);
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) { bar.max = event.total; bar.value = event.loaded; }
      });
      request.upload.addEventListener("load", () => { line.textContent = "Received; the import begins …"; });
      request.addEventListener("load", () => {
        if (request.status < 400) {
          location.assign(request.responseURL);
        } else {
          fail(new DOMParser().parseFromString(request.responseText, "text/html").querySelector("main .lead")?.textContent);
        }
      });
      request.addEventListener("error", () => fail("The library did not take the file. Is it still running?"));
      $("#upload-cancel").onclick = () => { request.abort(); fail("Cancelled; nothing was imported."); };
      request.send(data);
    }

    function fail(text) {
      area.hidden = false;
      status.hidden = true;
      input.value = "";
      const note = $("#upload-problem");
      note.hidden = false;
      note.textContent = text || "The file could not be taken.";
    }
  }

  function startImportPage() {
    const place = $("[data-events]");
    if (!place) return;
    const events = new EventSource(place.dataset.events);
    const bar = $("progress", place);
    let told = 0;
    events.addEventListener("progress", (event) => {
      const now = JSON.parse(event.data);
      if (now.bytes_total > 0) { bar.max = now.bytes_total; bar.value = now.bytes_read; }
      for (const [name, value] of Object.entries(now.told)) {
        const field = $(`[data-field="${name}"]`, place);
        if (field) field.textContent = value;
      }
      if (Date.now() - told > 5000) { told = Date.now(); say(now.sentence); }
    });
    events.addEventListener("done", () => { events.close(); location.reload(); });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 1500);
    });
  }

  // === Keyboard ===

  const typing = (target) => target.closest("input:not([type=checkbox]):not([type=button]), textarea, select, [contenteditable]");
  let waitingForGo = 0;

  function move(by) {
    const items = $$("[data-item]").filter((item) => item.offsetParent !== null);
    if (!items.length) return;
    const at = items.indexOf(document.activeElement.closest?.("[data-item]"));
    let next = at + by;
    if (at < 0) {
      // Nothing is chosen yet: begin with what is in view.
      next = items.findIndex((item) => item.getBoundingClientRect().top > 60);
      if (next < 0) next = items.length - 1;
    }
    next = Math.max(0, Math.min(items.length - 1, next));
    items[next].focus({ preventScroll: true });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    items[next].scrollIntoView({ block: items[next].matches(".message") ? "start" : "nearest", behavior: still ? "auto" : "smooth" });
  }

  function focusSearch() {
    const box = $("#search-form input[name=q]") ?? $(".top-search input");
    if (!box) { location.assign("/search"); return; }
    box.focus();
    box.select();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const dialog = $("#keys");
    const inField = typing(event.target);
    if (event.key === "Escape") {
      if (dialog?.open) return;
      if (inField) {
        if (inField.name === "q" && inField.value && inField.closest("#search-form")) {
          inField.value = "";
          inField.dispatchEvent(new Event("input", { bubbles: true }));
        } else { inField.blur(); }
      } else if ($("[data-back]")) {
        history.length > 1 ? history.back() : location.assign($("[data-back]").href);
      } else {
        document.activeElement?.blur();
      }
      return;
    }
    if (inField) {
      if (event.key === "ArrowDown" && inField.name === "q") { event.preventDefault(); move(1); }
      return;
    }
    if (dialog?.open && event.key !== "?") return;
    if (Date.now() - waitingForGo < 1200) {
      waitingForGo = 0;
      const places = { h: "/", c: "/conversations", t: "/chat", m: "/shelf", s: "/stats", i: "/import", l: "/library", a: "/ask" };
      if (places[event.key]) { event.preventDefault(); location.assign(places[event.key]); return; }
    }
    switch (event.key) {
      case "/": event.preventDefault(); focusSearch(); break;
      case "j": event.preventDefault(); move(1); break;
      case "k": event.preventDefault(); move(-1); break;
      case "ArrowDown": case "ArrowUp":
        if ($("[data-item]:not(.message)")) { event.preventDefault(); move(event.key === "ArrowDown" ? 1 : -1); }
        break;
      case "Enter": {
        const link = document.activeElement?.matches(".message") && $(".permalink", document.activeElement);
        if (link) { event.preventDefault(); link.click(); }
        break;
      }
      case "o": {
        const opener = document.activeElement?.closest(".hit") && $("a[data-open]", document.activeElement.closest(".hit"));
        if (opener) { event.preventDefault(); opener.click(); }
        break;
      }
      case "g": waitingForGo = Date.now(); break;
      case "?":
        if (dialog) { event.preventDefault(); dialog.open ? dialog.close() : dialog.showModal(); }
        break;
    }
  });

  // === Begin ===

  $(".theme-button")?.addEventListener("click", switchTheme);
  $("#keys")?.addEventListener("click", (event) => { if (event.target.id === "keys") event.target.close(); });
  dressUp(document);
  startSearchPage();
  startUpload();
  startImportPage();
})();
