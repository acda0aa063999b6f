// One class enlarged: original, mirrored, mapped back and difference for both models.
import { byId, closeOnBackdrop, dialogById, element } from "./dom.js";
import { legend, unitOf } from "./legend.js";
import { contributions, difference, limitsOf, mirrored } from "./maps.js";
import { ownSymmetry } from "./meter.js";
import { correlation } from "./numbers.js";
import { isSigned, mirroredFace, paintOverlay } from "./paint.js";
/** @typedef {import("./types.js").Cells} Cells */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {{names: string[], explanations: Explanation[], grey: Uint8ClampedArray, settings: Readonly<Settings>}} Shown */

export class CloserLook {
  #dialog = dialogById("closer");
  #index = 0;

  /** @type {Shown | null} */
  #shown = null;

  constructor() {
    closeOnBackdrop(this.#dialog);
    byId("closer-close").addEventListener("click", () => this.#dialog.close());
    byId("closer-previous").addEventListener("click", () => this.#step(-1));
    byId("closer-next").addEventListener("click", () => this.#step(1));
    this.#dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.#step(-1);
      if (event.key === "ArrowRight") this.#step(1);
    });
  }

  /**
   * @param {number} index of the class
   * @param {string[]} names
   * @param {Explanation[]} explanations
   * @param {Uint8ClampedArray} grey
   * @param {Readonly<Settings>} settings
   */
  open(index, names, explanations, grey, settings) {
    this.#shown = { names, explanations, grey, settings };
    this.#index = index;
    this.#draw();
    this.#dialog.showModal();
  }

  /** @param {number} by */
  #step(by) {
    const count = this.#shown?.explanations[0].classes.length ?? 1;
    this.#index = (this.#index + by + count) % count;
    this.#draw();
  }

  #draw() {
    if (this.#shown === null) return;
    const { names, explanations, settings } = this.#shown;
    const { colours } = settings;
    const limits = limitsOf(explanations, this.#index, settings, isSigned(colours));
    byId("closer-title").textContent = explanations[0].classes[this.#index];
    byId("closer-models").replaceChildren(
      ...explanations.map((_, model) => this.#section(model, limits[model])),
      element("div", { className: "under-grid" }, ...names.flatMap((name, model) => [
        legend(`${name}: ${unitOf(settings.method)}`, limits[model].toFixed(2), colours),
        ...(isSigned(colours) ? [] : [legend(`${name}: difference`, limits[model].toFixed(2), "signed")]),
      ])));
  }

  /**
   * @param {number} model
   * @param {number} limit of the model's maps here, and of their difference
   */
  #section(model, limit) {
    const { names, explanations, grey, settings } = /** @type {Shown} */ (this.#shown);
    const { colours, opacity } = settings;
    const explanation = explanations[model];
    const original = contributions(explanation, "original", this.#index);
    const flipped = contributions(explanation, "flipped", this.#index);
    const back = mirrored(flipped);
    const panel = (/** @type {string} */ caption, /** @type {Uint8ClampedArray} */ face, /** @type {Cells} */ cells, shown = colours) => {
      const canvas = element("canvas", { role: "img", "aria-label": `${names[model]}: ${caption}` });
      paintOverlay(canvas, face, cells, explanation.grid, { limit, colours: shown, opacity });
      return element("figure", {}, canvas, element("figcaption", {}, caption));
    };
    const name = explanation.classes[this.#index];
    const { pearson, iou, relative_mse: error } = explanation.consistency[name];
    return element("section", {},
      element("h3", {}, names[model]),
      element("div", { className: "closer-row" },
        panel("original", grey, original),
        panel("mirrored, as the network saw it", mirroredFace(grey), flipped),
        panel("mirrored, mapped back onto the face", grey, back),
        panel("difference: original minus mapped back", grey, difference(original, back), isSigned(colours) ? colours : "signed")),
      element("p", { className: "small" }, `Flip consistency ${correlation(pearson)}, beside the map's own symmetry ${ownSymmetry(explanation, name)} and other faces `
        + `${correlation(explanation.floor)}. Overlap of the strongest fifth of the cells ${correlation(iou)}, squared difference relative to the maps' variance ${correlation(error)}.`));
  }
}
