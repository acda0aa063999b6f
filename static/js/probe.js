// The spot of the face that is pointed at: marked in every map, its numbers under the grid.
import { byId } from "./dom.js";
import { cellCentre } from "./maps.js";
import { locate, showReadout } from "./readout.js";
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./grid.js").MapGrid} MapGrid */
/** @typedef {import("./grid.js").Tile} Tile */

export class Probe {
  #grid;

  /** @type {string[]} */
  #names = [];

  /** @type {Explanation[]} */
  #explanations = [];

  #unit = "";

  /** @type {{index: number, place: {x: number, y: number}} | null} the class read, and where */
  #spot = null;

  /** @param {MapGrid} grid */
  constructor(grid) {
    this.#grid = grid;
  }

  /**
   * What the numbers are read from, from now on.
   *
   * @param {string[]} names
   * @param {Explanation[]} explanations
   * @param {string} unit
   */
  read(names, explanations, unit) {
    this.#names = names;
    this.#explanations = explanations;
    this.#unit = unit;
    this.#show();
  }

  /** Nothing is pointed at on a face that is about to be shown. */
  forget() {
    this.#spot = null;
  }

  /**
   * @param {Tile} tile
   * @param {number} x NaN: keep the spot, only read another class
   * @param {number} y
   */
  point(tile, x, y) {
    const place = Number.isNaN(x) ? (this.#spot?.place ?? { x: 0.5, y: 0.5 }) : { x: tile.view === "flipped" ? 1 - x : x, y };
    this.#spot = { index: tile.index, place };
    this.#show();
  }

  /**
   * @param {number} rows
   * @param {number} columns
   */
  step(rows, columns) {
    if (this.#spot === null) return;
    const { grid } = this.#explanations[0];
    const cell = locate(this.#explanations[0], this.#spot.place);
    this.#spot.place = {
      x: Math.min(Math.max(cellCentre(cell.column + columns, grid), 0), 1),
      y: Math.min(Math.max(cellCentre(cell.row + rows, grid), 0), 1),
    };
    this.#show();
  }

  /** The pointer left the grid; the spot stays for somebody who walks it with the keyboard. */
  leave() {
    if (this.#spot === null || byId("grid").contains(document.activeElement)) return;
    this.#spot = null;
    this.#show();
  }

  #show() {
    this.#grid.mark(this.#spot?.place ?? null, locate);
    showReadout(this.#spot && { names: this.#names, explanations: this.#explanations, ...this.#spot, unit: this.#unit });
  }
}
