// Legends: what the colours of the grid stand for, in logits contributed by a cell.
import { element } from "./dom.js";
import { colourLimits, EXACT_METHOD } from "./maps.js";
import { isSigned, paintLegend } from "./paint.js";
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Settings} Settings */

/** @param {string} method */
export function unitOf(method) {
  return method === EXACT_METHOD ? "logits contributed per cell" : "map value per cell";
}

/**
 * @param {HTMLElement} panel
 * @param {string[]} names
 * @param {Explanation[]} explanations
 * @param {Readonly<Settings>} settings
 */
export function showLegends(panel, names, explanations, settings) {
  const unit = unitOf(settings.method);
  const { colours, scale } = settings;
  const shared = colourLimits(explanations, scale, isSigned(colours)).map((limits) => limits.original[0]);
  /** @type {[string, string | null][]} name and highest value */
  let bars = names.map((name, model) => [`${name}: ${unit}`, shared[model].toFixed(2)]);
  if (scale === "all") bars = [[`all maps: ${unit}`, shared[0].toFixed(2)]];
  if (scale === "map") bars = [["each map by its own maximum: strengths cannot be compared", null]];
  panel.replaceChildren(...bars.map(([name, highest]) => legend(name, highest, colours)));
}

/**
 * @param {string} name
 * @param {string | null} highest
 * @param {string} colours
 */
export function legend(name, highest, colours) {
  const top = highest ?? "its maximum";
  const ticks = isSigned(colours) ? [`−${top}`, "0", `+${top}`] : ["0 or less", top];
  return element("div", { className: "legend" }, element("p", { className: "name" }, name, colours === "discs" ? ", as a disc's area" : null), strip(colours),
    element("div", { className: "ticks" }, ...ticks.map((tick) => element("span", {}, tick))));
}

/** @param {string} colours */
export function strip(colours) {
  const canvas = element("canvas", { className: "strip", "aria-hidden": "true" });
  paintLegend(canvas, colours);
  return canvas;
}
