// The figure to take away: chosen, looked at, and handed over with the texts that go with it.
import { figure } from "./api.js";
import { byId, closeOnBackdrop, copy, dialogById, inputById, offer, selectById } from "./dom.js";
import { inWords } from "./problem.js";
import { latex, python } from "./snippets.js";
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./types.js").Subject} Subject */

const PIXELS_AN_INCH = 96; // as CSS counts
const PREVIEW = "png";
const DRAWING = "Drawing the figure…";

export class FigureDialog {
  #dialog = dialogById("figure");
  #preview = /** @type {HTMLImageElement} */ (byId("figure-preview"));
  #form = /** @type {HTMLFormElement} */ (byId("figure-form"));

  /** @type {{subject: Subject, settings: Readonly<Settings>} | null} */
  #shown = null;

  #previewed = ""; // what of the form the preview shows
  #preparing = new AbortController(); // the preview
  #downloading = new AbortController();

  /**
   * @param {() => Subject | null} current
   * @param {() => Readonly<Settings>} settings
   * @param {(error: unknown) => void} onError of what the dialog is no longer open to say
   */
  constructor(current, settings, onError) {
    this.onError = onError;
    closeOnBackdrop(this.#dialog);
    byId("figure-open").addEventListener("click", () => {
      const subject = current();
      if (subject !== null) this.#open(subject, settings());
    });
    byId("figure-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#preparing.abort());
    this.#form.addEventListener("change", () => this.#show());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#download();
    });
    for (const [button, text] of [["latex-copy", "figure-latex"], ["python-copy", "figure-python"]]) {
      byId(button).addEventListener("click", () => copy(byId(text).textContent ?? "", byId("figure-note")));
    }
  }

  /**
   * @param {Subject} subject
   * @param {Readonly<Settings>} settings
   */
  #open(subject, settings) {
    this.#shown = { subject, settings };
    this.#preview.hidden = true;
    this.#previewed = "";
    this.#dialog.showModal();
    this.#show();
  }

  /** What the form asks for; null while it asks for nothing that could be drawn. */
  #chosen() {
    const classes = [...this.#form.querySelectorAll("input")].filter(({ name, checked }) => name === "classes" && checked).map(({ value }) => value);
    const problem = classes.length === 0 ? "Choose at least one expression." : byWidth(inputById("figure-width"));
    if (problem) say(problem);
    return problem ? null : { classes, width: inputById("figure-width").valueAsNumber, format: selectById("figure-format").value };
  }

  async #show() {
    byId("figure-text-choice").hidden = selectById("figure-format").value !== "svg";
    this.#preparing.abort();
    this.#preparing = new AbortController();
    const { signal } = this.#preparing;
    const chosen = this.#chosen();
    if (this.#shown === null || chosen === null) return;
    const { subject: { about, answer }, settings } = this.#shown;
    byId("figure-latex").textContent = latex(`${about.name}-figure`, chosen, answer, settings);
    byId("figure-python").textContent = python(`${about.name}-maps.npz`, Object.keys(answer.faces[0].explanations)[0]);
    const previewed = `${chosen.classes} at ${chosen.width}`;
    if (previewed === this.#previewed) {
      say(""); // the format, and an SVG's text, change nothing of it
      return;
    }
    say(DRAWING);
    const drawn = await this.#draw(this.#shown, { ...chosen, format: PREVIEW }, signal);
    if (drawn === null) return;
    URL.revokeObjectURL(this.#preview.src);
    this.#preview.src = URL.createObjectURL(drawn);
    this.#preview.style.width = `${chosen.width * PIXELS_AN_INCH}px`;
    this.#preview.hidden = false;
    this.#previewed = previewed;
    if (byId("figure-note").textContent === DRAWING) say(""); // not what is said of a download
  }

  async #download() {
    const chosen = this.#chosen();
    if (this.#shown === null || chosen === null) return;
    const name = `${this.#shown.subject.about.name}-figure.${chosen.format}`;
    this.#downloading.abort();
    this.#downloading = new AbortController();
    say("Preparing the file…");
    const drawn = await this.#draw(this.#shown, chosen, this.#downloading.signal);
    if (drawn === null) return;
    offer(drawn, name);
    say(`${name} is ready.`);
  }

  /**
   * The figure as chosen; null where it is let go, or cannot be had.
   *
   * @param {{subject: Subject, settings: Readonly<Settings>}} shown
   * @param {{classes: string[], width: number, format: string}} chosen
   * @param {AbortSignal} signal
   */
  async #draw({ subject: { file, crop }, settings }, { classes, width, format }, signal) {
    const text = format === "svg" && inputById("figure-text").checked;
    try {
      return await figure(file, settings, crop, { format, classes: classes.join(","), width: String(width), svg_text: String(text) }, signal);
    } catch (error) {
      if (signal.aborted) return null;
      if (this.#dialog.open) say(inWords(error));
      else this.onError(error);
      return null;
    }
  }
}

/** @param {HTMLInputElement} field */
function byWidth(field) {
  return field.value !== "" && field.validity.valid ? "" : `The width is ${field.min} to ${field.max} inches.`;
}

/** @param {string} text */
function say(text) {
  byId("figure-note").textContent = text;
}
