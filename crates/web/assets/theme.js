// Puts the chosen theme on before anything is painted. Without a choice the system's preference holds.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's preference holds.
  }
})();
