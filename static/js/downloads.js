// Files for the visitor: figure, maps as JSON and NPZ, and a link to the view.
import { archive, figure } from "./api.js";
import { byId, offer } from "./dom.js";
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./types.js").Subject} Subject */

/**
 * @param {() => Subject | null} current
 * @param {() => Readonly<Settings>} settings
 * @param {(error: unknown) => void} onError
 */
export function offerDownloads(current, settings, onError) {
  const note = byId("download-note"); // beside the buttons, where the visitor looks
  const onClick = (/** @type {HTMLButtonElement} */ button, /** @type {(subject: Subject) => Promise<void>} */ action) => {
    button.addEventListener("click", async () => {
      const subject = current();
      if (subject === null || button.getAttribute("aria-disabled") === "true") return;
      note.textContent = "Preparing the file…";
      button.setAttribute("aria-disabled", "true"); // a button that is disabled outright would lose the keyboard's focus
      try {
        await action(subject);
        note.textContent = "The file is ready.";
      } catch (error) {
        note.textContent = "";
        onError(error);
      }
      button.removeAttribute("aria-disabled");
    });
  };

  for (const button of byId("figures").querySelectorAll("button")) {
    const format = button.dataset.format ?? "png";
    onClick(button, async ({ file, crop }) => offer(await figure(file, settings(), crop, format), `unturned.${format}`));
  }
  onClick(/** @type {HTMLButtonElement} */ (byId("download-npz")), async ({ file, crop }) => {
    offer(await archive(file, settings(), crop), "unturned-maps.npz");
  });
  onClick(/** @type {HTMLButtonElement} */ (byId("download-json")), async ({ text }) => {
    offer(new Blob([text], { type: "application/json" }), "unturned-maps.json");
  });
  byId("copy-link").addEventListener("click", async () => {
    const copied = byId("copy-note");
    try {
      await navigator.clipboard.writeText(location.href);
      copied.textContent = "Copied.";
    } catch {
      copied.textContent = "Copy the address from the address bar.";
    }
  });
}
