// Files for the visitor: figure, maps as JSON and NPZ, and a link to the view.
import { figure } from "./api.js";
import { byId, offer } from "./dom.js";
import { float32, int64, npz, text, uint8 } from "./npz.js";
import { greyCrop, SIDE } from "./paint.js";
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./types.js").Subject} Subject */

/**
 * @param {() => Subject | null} current
 * @param {() => Readonly<Settings>} settings
 * @param {(text: string) => void} onBusy "" when done
 * @param {(error: unknown) => void} onError
 */
export function offerDownloads(current, settings, onBusy, onError) {
  for (const button of byId("figures").querySelectorAll("button")) {
    const format = /** @type {"png" | "svg" | "pdf"} */ (button.dataset.format);
    button.addEventListener("click", async () => {
      const subject = current();
      if (subject === null) return;
      onBusy("Drawing the figure…");
      button.disabled = true;
      try {
        offer(await figure(subject.file, settings(), subject.crop, format), `unturned.${format}`);
        onBusy("");
      } catch (error) {
        onError(error);
      }
      button.disabled = false;
    });
  }
  byId("download-json").addEventListener("click", () => {
    const subject = current();
    if (subject !== null) offer(new Blob([subject.text], { type: "application/json" }), "unturned-maps.json");
  });
  byId("download-npz").addEventListener("click", () => {
    const subject = current();
    if (subject !== null) offer(npz(mapEntries(subject, settings().method)), "unturned-maps.npz");
  });
  byId("copy-link").addEventListener("click", async () => {
    const note = byId("copy-note");
    try {
      await navigator.clipboard.writeText(location.href);
      note.textContent = "Copied.";
    } catch {
      note.textContent = "Copy the address from the address bar.";
    }
  });
}

/**
 * The arrays of every face, in the layout that `unturned figure` reads. The picture is the browser's own grey crop.
 *
 * @param {Subject} subject
 * @param {string} method
 */
function mapEntries({ answer, bitmap }, method) {
  /** @type {Map<string, Uint8Array>} */
  const entries = new Map();
  const { classes } = Object.values(answer.faces[0].explanations)[0];
  entries.set("format", text("unturned-maps-1"));
  entries.set("method", text(method));
  entries.set("gauge", text("centred"));
  entries.set("classes", text(classes));
  entries.set("faces", int64([answer.faces.length], []));
  for (const [index, face] of answer.faces.entries()) {
    entries.set(`${index}/picture`, uint8(greyCrop(bitmap, face.crop, answer.image.width), [SIDE, SIDE]));
    entries.set(`${index}/caption`, text(""));
    entries.set(`${index}/label`, text(""));
    entries.set(`${index}/models`, text(Object.keys(face.explanations)));
    for (const [name, { checkpoint, minor_classes: minor, grid, bias, logits, maps }] of Object.entries(face.explanations)) {
      const { length: rows, 0: firstRow } = maps.original[0];
      const both = [maps.original, maps.flipped];
      entries.set(`${index}/${name}/checkpoint`, text(checkpoint));
      entries.set(`${index}/${name}/minor_classes`, text(minor));
      entries.set(`${index}/${name}/grid`, int64([grid.first, grid.step, grid.input], [3]));
      entries.set(`${index}/${name}/bias`, float32(bias, [classes.length]));
      entries.set(`${index}/${name}/logits`, float32([...logits.original, ...logits.flipped], [2, classes.length]));
      entries.set(`${index}/${name}/maps`, float32(both.flat(3), [2, classes.length, rows, firstRow.length]));
    }
  }
  return entries;
}
