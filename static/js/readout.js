// One spot of the face read in all rows: the numbers under the grid.
import { byId, element } from "./dom.js";
import { contributions, nearestCell, VIEWS } from "./maps.js";
/** @typedef {import("./types.js").Explanation} Explanation */

/**
 * @typedef {{x: number, y: number}} Place shares of the original face's side
 */

/**
 * The cell of a model's maps nearest to a place of the face.
 *
 * @param {Explanation} explanation
 * @param {Place} place
 */
export function locate(explanation, place) {
  const cells = explanation.maps.original[0];
  return {
    row: nearestCell(place.y, cells.length, explanation.grid),
    column: nearestCell(place.x, cells[0].length, explanation.grid),
  };
}

/** @param {number} value */
export function signed(value) {
  return `${value <= -0.005 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

/** @typedef {{names: string[], explanations: Explanation[], index: number, place: Place, unit: string}} Spot */

/** @param {Spot | null} spot null: nothing pointed at */
export function showReadout(spot) {
  byId("readout-hint").hidden = spot !== null;
  const panel = byId("readout");
  const made = element("div", {}, ...(spot === null ? [] : numbers(spot)));
  // a live region: what is put into it is spoken, be it the same as before
  if (panel.textContent !== made.textContent) panel.replaceChildren(...made.childNodes);
}

/** @param {Spot} spot */
function numbers({ names, explanations, index, place, unit }) {
  const name = explanations[0].classes[index];
  const rows = explanations.map((explanation, model) => {
    const { row, column } = locate(explanation, place);
    const values = VIEWS.map((view) => {
      const cells = contributions(explanation, view, index);
      return cells[row][view === "flipped" ? cells[0].length - 1 - column : column];
    });
    return element("tr", {}, element("th", { scope: "row" }, names[model]), ...values.map((value) => element("td", {}, signed(value))));
  });
  const { row, column } = locate(explanations[0], place);
  return [
    element("p", {}, element("strong", {}, name), ` at row ${row + 1}, column ${column + 1} of the face, ${unit}:`),
    element("table", {},
      element("thead", {}, element("tr", {}, element("td", {}), element("th", { scope: "col" }, "original"), element("th", { scope: "col" }, "mirrored, same spot"))),
      element("tbody", {}, ...rows)),
  ];
}
