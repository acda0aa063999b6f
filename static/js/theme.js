// What must be known before the page is drawn, hence a classic script in the head: whether scripts run, and light or dark
// (the system's choice unless the visitor made another).
(() => {
  const KEY = "unturned-theme";
  const root = document.documentElement;
  if ("live" in root.dataset) {
    root.classList.add("live");
    // a script that does not arrive leaves the page for browsers without any
    document.addEventListener("error", ({ target }) => {
      if (target instanceof HTMLScriptElement) root.classList.remove("live");
    }, true);
  }
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage may be switched off
    }
  }

  const shown = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
  const chosen = stored();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    const button = /** @type {HTMLButtonElement} */ (document.getElementById("theme-toggle"));
    const label = () => {
      const other = shown() === "dark" ? "Light" : "Dark";
      button.textContent = other;
      button.setAttribute("aria-label", `${other} theme`);
    };
    label();
    button.hidden = false;
    system.addEventListener("change", label);
    button.addEventListener("click", () => {
      root.dataset.theme = shown() === "dark" ? "light" : "dark";
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // the choice then lasts for this page only
      }
      label();
    });
  });
})();
