// Building elements without markup strings (the pages' policy forbids them).

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, unknown>} [properties] an element's own properties are set, anything else becomes an attribute; undefined is skipped
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name in made) Reflect.set(made, name, value);
    else made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/**
 * The element with an id that the page's template is known to hold.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** @param {string} id */
export const inputById = (id) => /** @type {HTMLInputElement} */ (byId(id));

/** @param {string} id */
export const selectById = (id) => /** @type {HTMLSelectElement} */ (byId(id));

/** @param {string} id */
export const canvasById = (id) => /** @type {HTMLCanvasElement} */ (byId(id));

/** @param {string} id */
export const dialogById = (id) => /** @type {HTMLDialogElement} */ (byId(id));

/**
 * Make controls anew; the keyboard goes on from the one in the place of that which had the focus.
 *
 * @param {() => HTMLElement[]} controls as they are, in an order that stays
 * @param {() => void} rebuild
 */
export function keepFocus(controls, rebuild) {
  const focused = controls().findIndex((control) => control === document.activeElement);
  rebuild();
  controls()[focused]?.focus({ preventScroll: true });
}

/**
 * A click beside a dialog closes it; one that begins within, as when text is selected, does not.
 *
 * @param {HTMLDialogElement} dialog
 */
export function closeOnBackdrop(dialog) {
  const beside = (/** @type {MouseEvent} */ { target, clientX, clientY }) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    return target === dialog && (clientX < left || clientX > right || clientY < top || clientY > bottom);
  };
  let pressed = false;
  dialog.addEventListener("pointerdown", (event) => {
    pressed = beside(event);
  });
  dialog.addEventListener("click", (event) => {
    if (pressed && beside(event)) dialog.close();
  });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {CanvasRenderingContext2D}
 */
export function context(canvas) {
  const found = canvas.getContext("2d");
  if (found === null) throw new Error("this browser draws no canvas");
  return found;
}

/**
 * Put a text on the clipboard.
 *
 * @param {string} text
 * @param {HTMLElement} note says whether it is there
 */
export async function copy(text, note) {
  note.textContent = ""; // a live region: the same text again is spoken only once it was gone
  try {
    await navigator.clipboard.writeText(text);
    note.textContent = "Copied.";
  } catch {
    note.textContent = "The browser does not allow it: copy it by hand.";
  }
}

/**
 * Hand a file to the visitor.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function offer(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
