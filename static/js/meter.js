// Flip consistency as a bar from 0 to 1, with ticks for the numbers it is to be read beside. Its markup is the template's.
import { byId } from "./dom.js";
import { correlation } from "./numbers.js";
/** @typedef {import("./types.js").Explanation} Explanation */

const TICK = 1.5; // width, in hundredths of the bar

/** An empty bar. */
export function blankMeter() {
  return /** @type {SVGElement} */ (byId("hero").querySelector("svg.meter")?.cloneNode(true));
}

/**
 * @param {Element} holder of the bar
 * @param {Explanation} explanation
 * @param {string} name of the class
 */
export function fillMeter(holder, { consistency, floor }, name) {
  const { pearson, own_symmetry: own } = consistency[name];
  holder.querySelector('[data-slot="bar"]')?.setAttribute("width", String(100 * Math.max(pearson ?? 0, 0)));
  for (const [slot, value] of /** @type {[string, number | null][]} */ ([["floor-tick", floor], ["own-tick", own]])) {
    const x = value === null ? -9 : 100 * Math.max(value, 0) - TICK / 2; // beside the bar, where nothing is drawn
    holder.querySelector(`[data-slot="${slot}"]`)?.setAttribute("x", String(x));
  }
}

/**
 * @param {Explanation} explanation
 * @param {string} name of the class
 */
export const ownSymmetry = ({ consistency }, name) => correlation(consistency[name].own_symmetry);
