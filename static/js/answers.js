// Answers of the service as the page draws them: with the picture they tell of, and what was measured of the models beforehand.
import { explain, json } from "./api.js";
import { readBitmap } from "./bitmap.js";
import { offerChoices } from "./controls.js";
import { EXACT_METHOD, setDivisor } from "./maps.js";
import { setColours } from "./paint.js";
/** @typedef {import("./settings.js").Store} Store */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Question} Question */
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./types.js").Subject} Subject */
/** @typedef {{name: string, mirror_floor: number | null, colour: string, face_size: number}} Model */

export class Answers {
  /** @type {Map<string, Model> | null} by checkpoint; null until the service has told */
  #models = null;

  /**
   * What answers are drawn with; asked for again as long as the service has not told.
   *
   * @param {Store} store
   */
  async prepare(store) {
    if (this.#models !== null) return;
    const start = await json("/explorer/start.json");
    setColours(start.colours);
    this.#models = new Map(start.models.map((/** @type {Model} */ model) => [model.name, model]));
    offerChoices(start, store);
  }

  /**
   * @param {Question} question
   * @param {Readonly<Settings>} settings
   * @param {AbortSignal} signal
   * @returns {Promise<Subject>}
   */
  async ask({ file, crop, about }, settings, signal) {
    const { first, second, method } = settings;
    const { answer, text } = await explain(file, settings, crop, signal);
    const bitmap = await readBitmap(file);
    if (signal.aborted) bitmap.close();
    signal.throwIfAborted();
    for (const face of answer.faces) for (const explanation of Object.values(face.explanations)) this.#complete(explanation, method);
    return { file, bitmap, answer, text, crop, asked: { first, second, method }, about, face: 0, grey: new Uint8ClampedArray() };
  }

  /**
   * What the page adds to an answer.
   *
   * @param {Explanation} explanation
   * @param {string} method
   */
  #complete(explanation, method) {
    const model = this.#models?.get(explanation.checkpoint); // none where the service has loaded others since
    setDivisor(explanation, method);
    explanation.floor = method === EXACT_METHOD ? (model?.mirror_floor ?? null) : null;
    explanation.sees = model === undefined ? "" : `${model.colour === "grey" ? "grey" : "in colour"}, ${model.face_size} × ${model.face_size} pixels`;
  }
}
