// Ways in: file, drag and drop, paste, sample gallery.
import { json, picture } from "./api.js";
import { byId, inputById } from "./dom.js";
/** @typedef {import("./types.js").About} About */
/** @typedef {import("./types.js").Question} Question */

/**
 * @param {(file: Blob) => void} onPicture a visitor's own
 * @param {(sample: string) => void} onSample
 */
export function listenForPictures(onPicture, onSample) {
  const form = byId("upload");
  const take = (/** @type {File | null | undefined} */ file) => {
    if (file) onPicture(file);
  };

  form.addEventListener("submit", (event) => event.preventDefault()); // a picture is sent as soon as it is chosen
  inputById("file").addEventListener("change", () => take(chosenFile()));

  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) form.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    take(event.dataTransfer?.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (file) take(file);
  });

  for (const link of samples()) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // asked for in a tab of its own, or as a file
      event.preventDefault();
      onSample(link.dataset.sample ?? "");
    });
  }
}

/** What the file field holds, which is emptied: so the same file can be chosen again. */
export function chosenFile() {
  const field = inputById("file");
  const file = field.files?.[0];
  field.value = "";
  return file;
}

/** @returns {HTMLAnchorElement[]} */
function samples() {
  return [...document.querySelectorAll("a")].filter((link) => link.dataset.sample !== undefined);
}

/** Id of the gallery's first picture. */
export const firstSample = () => samples()[0].dataset.sample ?? "";

/**
 * A gallery picture, or a test face of the data set (`face-123`), or a face of an audit (`audit-123`).
 *
 * @param {string} id
 * @returns {Promise<Question>} with the crop that suits it
 */
export async function loadSample(id) {
  const card = samples().find(({ dataset }) => dataset.sample === id)?.dataset ?? {};
  if (id.startsWith("audit-")) {
    const audited = `/audit/${encodeURIComponent(id.replace("audit-", ""))}`;
    const { name, label, said } = await json(`${audited}.json`); // first: a picture's address answers problems as pages
    const file = await picture(`${audited}.png`);
    const credit = `${name}, ${label === null ? "without a label" : `labelled ${label}`}. The audit: ${said.join("; ")}.`;
    return { file, crop: "whole", about: { name: id, sample: id, credit, expression: "", votes: {} } };
  }
  if (id.startsWith("face-")) {
    const face = `/faces/${encodeURIComponent(id.replace("face-", ""))}`;
    const { label, votes } = await json(`${face}.json`);
    const file = await picture(`${face}.png`);
    const seen = Object.entries(votes).map(([name, count]) => `${name} ${count}`).join(", ");
    const credit = `FERPlus test ${id.replace("-", " ")}, labelled ${label}. Its ten annotators saw: ${seen}.`;
    return { file, crop: "whole", about: { name: id, sample: id, credit, expression: card.expression ?? "", votes } };
  }
  // a link may come from where the gallery has other cards
  const { picture: address, crop, credit, expression } = card.picture === undefined ? await json(`/explorer/samples/${encodeURIComponent(id)}.json`) : card;
  return { file: await picture(address), crop, about: { name: id, sample: id, credit, expression, votes: {} } };
}

/**
 * Show which picture of the gallery is looked at, if any.
 *
 * @param {Pick<About, "sample" | "credit">} about
 */
export function markSample({ sample, credit }) {
  for (const link of samples()) {
    if (link.dataset.sample === sample) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  byId("credit").textContent = credit;
}
