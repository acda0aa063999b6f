// Files for the visitor: maps as JSON and NPZ, and a link to the view.
import { archive } from "./api.js";
import { byId, copy, offer } from "./dom.js";
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./types.js").Subject} Subject */

/**
 * @param {() => Subject | null} current
 * @param {() => Readonly<Settings>} settings
 * @param {(error: unknown) => void} onError
 */
export function offerDownloads(current, settings, onError) {
  const note = byId("download-note"); // beside the buttons, where the visitor looks
  const onClick = (/** @type {HTMLButtonElement} */ button, /** @type {string} */ ending, /** @type {(subject: Subject) => Promise<Blob>} */ make) => {
    button.addEventListener("click", async () => {
      const subject = current();
      if (subject === null || button.getAttribute("aria-disabled") === "true") return;
      note.textContent = "Preparing the file…";
      button.setAttribute("aria-disabled", "true"); // a button that is disabled outright would lose the keyboard's focus
      try {
        const name = `${subject.about.name}-maps.${ending}`;
        offer(await make(subject), name);
        note.textContent = `${name} is ready.`; // of this picture, whichever is shown by then
      } catch (error) {
        note.textContent = "";
        onError(error);
      }
      button.removeAttribute("aria-disabled");
    });
  };

  onClick(/** @type {HTMLButtonElement} */ (byId("download-npz")), "npz", ({ file, crop }) => archive(file, settings(), crop));
  onClick(/** @type {HTMLButtonElement} */ (byId("download-json")), "json", async ({ text }) => new Blob([text], { type: "application/json" }));
  byId("copy-link").addEventListener("click", () => copy(location.href, byId("copy-note")));
}
