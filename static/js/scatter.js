// The face behind a dot of a scatter plot: pointed at, it is shown; chosen, it opens in the explorer.
import { json } from "./api.js";
import { element } from "./dom.js";
import { inWords } from "./problem.js";

const REACH = 14; // units of the drawing

/**
 * @typedef {object} Points
 * @property {number} margin
 * @property {number} side
 * @property {number} top
 * @property {number} low
 * @property {number} high
 * @property {number[]} faces
 * @property {number[]} baseline
 * @property {number[]} ours
 */

for (const plot of document.querySelectorAll("svg")) {
  const address = plot.dataset.points;
  const panel = /** @type {HTMLElement | null} */ (plot.closest(".scatter-row")?.querySelector("[data-face-panel]"));
  if (address !== undefined && panel) follow(plot, address, panel);
}

/**
 * @param {SVGSVGElement} plot
 * @param {string} address
 * @param {HTMLElement} panel
 */
function follow(plot, address, panel) {
  /** @type {Promise<Points | null> | null} */
  let loading = null;
  let failed = false;
  const load = () => {
    failed = false;
    panel.hidden = true;
    loading = json(address).catch((error) => {
      failed = true;
      panel.hidden = false;
      panel.textContent = `The faces of this plot cannot be shown. ${inWords(error)}`;
      return null;
    });
    return loading;
  };
  const dotAt = async (/** @type {MouseEvent} */ event) => {
    const points = await (loading ?? load());
    if (points === null) return null;
    const box = plot.getBoundingClientRect();
    const unit = plot.viewBox.baseVal.width / box.width;
    const nearest = find(points, (event.clientX - box.left) * unit, (event.clientY - box.top) * unit);
    return nearest === null ? null : { face: points.faces[nearest], baseline: points.baseline[nearest], ours: points.ours[nearest] };
  };
  for (const look of ["pointerenter", "pointerdown"]) { // not at every move: those come by the dozen a second
    plot.addEventListener(look, () => {
      if (failed) load();
    });
  }
  plot.addEventListener("pointermove", async (event) => {
    const dot = await dotAt(event);
    if (dot === null) return;
    const { face, baseline, ours } = dot;
    panel.hidden = false;
    panel.replaceChildren(
      element("a", { href: `/#sample=face-${face}` }, element("img", { src: `/faces/${face}.png`, alt: `Test face ${face}`, width: 96, height: 96 })),
      ` Test face ${face}: baseline ${baseline.toFixed(2)}, ours ${ours.toFixed(2)}`,
    );
  });
  plot.addEventListener("click", async (event) => {
    const dot = await dotAt(event);
    if (dot !== null) location.assign(`/#sample=face-${dot.face}`);
  });
}

/**
 * Index of the dot nearest to a place of the drawing, null where none is near.
 *
 * @param {Points} points
 * @param {number} x
 * @param {number} y
 */
function find(points, x, y) {
  const unit = points.side / (points.high - points.low);
  let best = null;
  let least = REACH;
  for (let i = 0; i < points.faces.length; i += 1) {
    const across = points.margin + (points.baseline[i] - points.low) * unit;
    const down = points.top + (points.high - points.ours[i]) * unit;
    const distance = Math.hypot(across - x, down - y);
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}
