// The library page: files are dropped on it, and it shows what becomes of them. It works without this, too.
"use strict";

(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const say = (text) => { const live = $("#live"); if (live) live.textContent = text; };
  const form = $("#library-form");
  const input = $("input[type=file]", form);
  const area = $(".drop", form);
  const place = $("#activity");
  const line = $("#activity-told");
  const bar = $("#activity-bar");

  // === Handing files in ===

  function trouble(text) {
    const note = $("#library-problem");
    note.hidden = !text;
    note.textContent = text ?? "";
  }

  function tell(text, part) {
    place.hidden = !text;
    line.textContent = text;
    bar.hidden = part === undefined;
    if (part === null) bar.removeAttribute("value"); else if (part !== undefined) bar.value = part;
  }

  function send(files) {
    const data = new FormData();
    data.append("token", $("input[name=token]", form).value);
    for (const file of files) data.append("file", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("accept", "text/html");
    trouble(null);
    tell(`Handing over ${files.length === 1 ? files[0].name : `${files.length} files`} …`, 0);
    say(line.textContent);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) bar.value = event.loaded / event.total;
    });
    request.addEventListener("load", () => {
      input.value = "";
      if (request.status < 400) { refresh(); return; }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      trouble(page.querySelector("main .lead")?.textContent || "The files could not be taken.");
      tell("");
    });
    request.addEventListener("error", () => {
      trouble("The library did not take the files. Is it still running?");
      tell("");
    });
    request.send(data);
  }

  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      area.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) area.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    area.classList.remove("over");
    send([...event.dataTransfer.files]);
  });
  input.addEventListener("change", () => { if (input.files.length) send([...input.files]); });
  form.addEventListener("submit", (event) => { event.preventDefault(); input.click(); });

  // === What becomes of them ===

  let shown = null;
  let refreshing = false;
  let again = false;

  async function refresh() {
    if (refreshing) { again = true; return; }
    refreshing = true;
    try {
      const answer = await fetch(`/library/ledger${location.search}`, { headers: { accept: "text/html" } });
      if (answer.ok) {
        // The server escaped all foreign text and the content policy allows no inline script.
        const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
        const focused = document.activeElement?.closest?.("#ledger") ? document.activeElement.getAttribute("aria-label") : null;
        $("#ledger").replaceChildren(...parsed.body.childNodes);
        if (focused) [...document.querySelectorAll("#ledger [aria-label]")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
      }
    } catch { /* the next event tries again */ } finally {
      refreshing = false;
      if (again) { again = false; refresh(); }
    }
  }

  let told = 0;
  const events = new EventSource(place.dataset.events);
  events.addEventListener("activity", (event) => {
    const now = JSON.parse(event.data);
    tell(now.told, now.busy ? now.part : undefined);
    if (!now.busy || Date.now() - told > 5000) { told = Date.now(); say(now.told); }
    const stamp = `${now.changes} ${now.busy}`;
    if (shown !== null && shown !== stamp) refresh();
    shown = stamp;
  });
})();
