// One class enlarged: original, mirrored, mapped back and difference for both models.
import { byId, dialogById, element } from "./dom.js";
import { correlation } from "./grid.js";
import { legend, unitOf } from "./legend.js";
import { colourLimits, contributions, difference, mirrored, placeCells } from "./maps.js";
import { isSigned, mirroredFace, paintOverlay, SIDE } from "./paint.js";
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
    const { explanations } = this.#shown;
    byId("closer-title").textContent = explanations[0].classes[this.#index];
    byId("closer-models").replaceChildren(...explanations.map((_, model) => this.#section(model)));
  }

  /** @param {number} model */
  #section(model) {
    const { names, explanations, grey, settings } = /** @type {Shown} */ (this.#shown);
    const explanation = explanations[model];
    const limits = colourLimits(explanations, settings.scale, isSigned(settings.colours))[model];
    const original = contributions(explanation, "original", this.#index);
    const flipped = contributions(explanation, "flipped", this.#index);
    const back = mirrored(flipped);
    const gap = difference(original, back);
    const limit = Math.max(limits.original[this.#index], limits.flipped[this.#index]);
    const turned = mirroredFace(grey);
    const { colours } = settings;
    const panel = (/** @type {string} */ caption, /** @type {Uint8ClampedArray} */ face, /** @type {Cells} */ cells, colourMap = colours) =>
      mapFigure(`${names[model]}: ${caption}`, caption, face, placeCells(cells, explanation.grid, SIDE), { limit, colours: colourMap, opacity: settings.opacity });
    const name = explanation.classes[this.#index];
    const { pearson, iou, relative_mse: error } = explanation.consistency[name];
    return element("section", {},
      element("h3", {}, names[model]),
      element("div", { className: "closer-row" },
        panel("original", grey, original),
        panel("mirrored, as the network saw it", turned, flipped),
        panel("mirrored, mapped back onto the face", grey, back),
        panel("difference: original minus mapped back", grey, gap, "diverging")),
      element("p", { className: "small" }, `Mirror agreement: correlation ${correlation(pearson)}, overlap of the strongest fifth of the cells ${correlation(iou)}, `
        + `squared difference relative to the maps' variance ${correlation(error)}.`),
      element("div", { className: "under-grid" },
        legend(`maps: ${unitOf(settings.method)}`, limit.toFixed(2), colours),
        legend("difference", limit.toFixed(2), "diverging")));
  }
}

/**
 * @param {string} label
 * @param {string} caption
 * @param {Uint8ClampedArray} face
 * @param {Float32Array} field
 * @param {{limit: number, colours: string, opacity: number}} style
 */
function mapFigure(label, caption, face, field, style) {
  const canvas = element("canvas", { role: "img", "aria-label": label });
  paintOverlay(canvas, face, field, style);
  return element("figure", {}, canvas, element("figcaption", {}, caption));
}
