// Ways in: file, drag and drop, paste, sample gallery.
import { json, picture } from "./api.js";
import { byId, inputById } from "./dom.js";

/**
 * @param {(file: Blob, sample: string) => void} onPicture sample is "" for a visitor's own picture
 * @param {(error: unknown) => void} onError
 */
export function listenForPictures(onPicture, onError) {
  const form = byId("upload");
  const field = inputById("file");
  const take = (/** @type {File | null | undefined} */ file) => {
    if (!file) return;
    markSample("");
    onPicture(file, "");
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take(field.files?.[0]);
  });
  field.addEventListener("change", () => take(field.files?.[0]));

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
      event.preventDefault();
      loadSample(link.dataset.sample ?? "").then((file) => onPicture(file, link.dataset.sample ?? ""), onError);
    });
  }
}

/** @returns {HTMLAnchorElement[]} */
function samples() {
  return [...document.querySelectorAll("a")].filter((link) => link.dataset.sample !== undefined);
}

/**
 * A gallery picture, or a test face of the data set (`face-123`).
 *
 * @param {string} id
 * @returns {Promise<Blob>}
 */
export async function loadSample(id) {
  const link = samples().find(({ dataset }) => dataset.sample === id);
  if (link !== undefined) {
    const file = await picture(link.dataset.picture ?? "");
    markSample(id);
    byId("credit").textContent = link.title;
    return file;
  }
  const face = `/faces/${encodeURIComponent(id.replace(/^face-/, ""))}`;
  const [file, { label, votes }] = await Promise.all([picture(`${face}.png`), json(`${face}.json`)]);
  markSample(id);
  const seen = Object.entries(votes).map(([name, count]) => `${name} ${count}`).join(", ");
  byId("credit").textContent = `FERPlus test ${id.replace("-", " ")}, labelled ${label}. Its ten annotators saw: ${seen}.`;
  return file;
}

/** @param {string} id */
function markSample(id) {
  for (const link of samples()) {
    if (link.dataset.sample === id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  if (id === "") byId("credit").textContent = "Your own picture.";
}
