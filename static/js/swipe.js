// Two models' maps of one class on one face, divided by a border that is dragged.
import { byId, canvasById, context, element, inputById } from "./dom.js";
import { colourLimits, contributions } from "./maps.js";
import { isSigned, paintOverlay, SIDE } from "./paint.js";
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Settings} Settings */

export class Swipe {
  #canvas = canvasById("swipe-canvas");
  #range = inputById("swipe-range");
  #layers = [element("canvas"), element("canvas")];

  constructor() {
    const frame = byId("swipe");
    this.#range.addEventListener("input", () => this.#compose());
    const drag = (/** @type {PointerEvent} */ event) => {
      if (event.type === "pointermove" && event.buttons === 0 && event.pointerType !== "mouse") return;
      const box = frame.getBoundingClientRect();
      this.#range.value = String((100 * (event.clientX - box.left)) / box.width);
      this.#compose();
    };
    frame.addEventListener("pointerdown", drag);
    frame.addEventListener("pointermove", drag);
  }

  /**
   * @param {string[]} names
   * @param {Explanation[]} explanations
   * @param {string} expression
   * @param {Uint8ClampedArray} grey
   * @param {Readonly<Settings>} settings
   */
  show(names, explanations, expression, grey, settings) {
    const index = explanations[0].classes.indexOf(expression);
    const limits = colourLimits(explanations, settings.scale, isSigned(settings.colours));
    for (const [model, layer] of this.#layers.entries()) {
      const side = Math.min(model, explanations.length - 1);
      const explanation = explanations[side];
      paintOverlay(layer, grey, contributions(explanation, "original", index), explanation.grid, { limit: limits[side].original[index], colours: settings.colours, opacity: settings.opacity });
    }
    byId("swipe-title").textContent = `Swipe between the models: ${expression}`;
    byId("swipe-first").textContent = `◂ ${names[0]}`;
    byId("swipe-second").textContent = `${names[names.length - 1]} ▸`;
    this.#compose();
  }

  #compose() {
    const share = Number(this.#range.value) / 100;
    const border = Math.round(share * SIDE);
    this.#canvas.width = SIDE;
    this.#canvas.height = SIDE;
    const drawing = context(this.#canvas);
    drawing.drawImage(this.#layers[1], 0, 0);
    if (border > 0) drawing.drawImage(this.#layers[0], 0, 0, border, SIDE, 0, 0, border, SIDE);
    byId("swipe-line").style.left = `${100 * share}%`;
  }
}
