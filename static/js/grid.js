// The grid of maps: rows of models and views by columns of classes, or turned by a quarter where the screen is narrow.
import { element, keepFocus } from "./dom.js";
import { cellCentre, colourLimits, contributions, VIEWS } from "./maps.js";
import { blankMeter, fillMeter, ownSymmetry } from "./meter.js";
import { correlation, percent } from "./numbers.js";
import { isSigned, mirroredFace, paintFace, paintOverlay, SIDE } from "./paint.js";
/** @typedef {import("./types.js").Cells} Cells */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./types.js").View} View */

/** @typedef {{names: string[], explanations: Explanation[], grey: Uint8ClampedArray}} Shown */

/**
 * @typedef {object} Tile one map of the grid
 * @property {number} model 0 for the upper one, 1 for the lower one
 * @property {View} view
 * @property {number} index of the class
 * @property {HTMLButtonElement} button
 * @property {HTMLCanvasElement} canvas
 * @property {HTMLElement} probe
 * @property {Cells} cells
 */

/**
 * Beside flip consistency: what it is without looking at the face.
 *
 * @param {Explanation} explanation
 */
function floorNote({ floor }) {
  return floor === null ? null : element("span", { className: "view-name" }, `other faces ${correlation(floor)}`);
}

/**
 * Which kind its maps are, wherever a model with approximate ones is shown.
 *
 * @param {Explanation} explanation
 * @param {Explanation[]} all
 */
function kindNote({ map_kind: kind }, all) {
  return all.some((other) => other.map_kind === "approximate") ? element("span", { className: "view-name map-kind" }, `${kind} maps`) : null;
}

const NARROW = window.matchMedia("(max-width: 940px)"); // below, the classes' names would not fit their columns

export class MapGrid {
  /** @type {Tile[]} */
  #tiles = [];

  /** @type {Shown | null} */
  #shown = null;

  /**
   * @param {HTMLTableElement} table
   * @param {{enlarge: (index: number) => void, probe: (tile: Tile, x: number, y: number) => void, leave: () => void, step: (rows: number, columns: number) => void}} actions
   *   probe gets the place pointed at as shares 0..1 of the map's side
   */
  constructor(table, actions) {
    this.table = table;
    this.actions = actions;
    table.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") actions.leave(); // what a finger touched is read after it was lifted
    });
    table.addEventListener("pointercancel", () => actions.leave()); // it scrolls
    table.addEventListener("keydown", (event) => this.#onKey(event));
    NARROW.addEventListener("change", () => this.#rebuild());
  }

  /** Called after every rebuild, which a turned phone causes too. */
  onBuilt = () => {};

  /**
   * @param {string[]} names as asked for
   * @param {Explanation[]} explanations of the same face
   * @param {Uint8ClampedArray} grey the face
   */
  show(names, explanations, grey) {
    this.#shown = { names, explanations, grey };
    this.#rebuild();
  }

  /** @param {Readonly<Settings>} settings */
  paint(settings) {
    if (this.#shown === null) return;
    const { explanations, grey } = this.#shown;
    const limits = colourLimits(explanations, settings.scale, isSigned(settings.colours));
    const faces = { original: grey, flipped: mirroredFace(grey) };
    for (const tile of this.#tiles) {
      const limit = limits[tile.model][tile.view][tile.index];
      paintOverlay(tile.canvas, faces[tile.view], tile.cells, explanations[tile.model].grid, { limit, colours: settings.colours, opacity: settings.opacity });
    }
  }

  /** @param {string} expression whose maps are shown above: its name is marked */
  markShown(expression) {
    for (const cell of this.table.querySelectorAll("th[data-class]")) cell.classList.toggle("shown", cell.getAttribute("data-class") === expression);
  }

  /**
   * Mark one place of the face in every map; null hides the marks.
   *
   * @param {{x: number, y: number} | null} place shares of the original face's side
   * @param {(explanation: Explanation, place: {x: number, y: number}) => {row: number, column: number}} locate
   */
  mark(place, locate) {
    for (const tile of this.#tiles) {
      tile.probe.hidden = place === null;
      if (place === null || this.#shown === null) continue;
      const explanation = this.#shown.explanations[tile.model];
      const { row, column } = locate(explanation, place);
      const x = cellCentre(column, explanation.grid);
      const { style } = tile.probe;
      style.left = `${100 * (tile.view === "flipped" ? 1 - x : x)}%`;
      style.top = `${100 * cellCentre(row, explanation.grid)}%`;
      style.width = style.height = `${(100 * explanation.grid.step) / explanation.grid.input}%`;
    }
  }

  #rebuild() {
    keepFocus(() => this.#controls(), () => this.#build());
  }

  /** In an order that a turned table keeps. */
  #controls() {
    const classes = /** @type {NodeListOf<HTMLButtonElement>} */ (this.table.querySelectorAll(".class-button"));
    return [...classes, ...this.#tiles.map(({ button }) => button)];
  }

  #build() {
    if (this.#shown === null) return;
    const { explanations } = this.#shown;
    this.#tiles = explanations.flatMap((explanation, model) =>
      VIEWS.flatMap((view) => explanation.classes.map((_, index) => this.#tile(model, view, index))));
    this.table.classList.toggle("tall", NARROW.matches);
    this.table.replaceChildren(
      element("caption", { className: "visually-hidden" }, "Attention maps by model, view and expression"),
      ...(NARROW.matches ? this.#tall() : this.#wide()),
    );
    const first = this.#tiles[0];
    if (first) first.button.tabIndex = 0;
    this.onBuilt();
  }

  /**
   * @param {number} model
   * @param {View} view
   * @param {number} index
   * @returns {Tile}
   */
  #tile(model, view, index) {
    const { names, explanations } = /** @type {Shown} */ (this.#shown);
    const explanation = explanations[model];
    const probabilities = explanation.probabilities[view];
    const predicted = probabilities[index] === Math.max(...probabilities);
    const canvas = element("canvas", { width: SIDE, height: SIDE });
    const probe = element("span", { className: "probe", hidden: true });
    const frame = element("span", { className: "frame" }, canvas, probe);
    const share = percent(probabilities[index]);
    const viewName = view === "original" ? "original" : "mirrored";
    const button = element(
      "button",
      {
        type: "button",
        className: `tile${predicted ? " predicted" : ""}${view === "flipped" ? " turns" : ""}`,
        tabIndex: -1,
        "aria-label": `${explanation.classes[index]}, ${names[model]}, ${viewName}: ${share}${predicted ? ", the model's answer" : ""}. Enlarge`,
      },
      frame,
      element("span", { className: "share" }, predicted ? element("span", { className: "arrow" }, "▲ ") : null, share),
    );
    const tile = { model, view, index, button, canvas, probe, cells: contributions(explanation, view, index) };
    button.addEventListener("click", () => this.actions.enlarge(index));
    const point = (/** @type {PointerEvent} */ event) => {
      const box = canvas.getBoundingClientRect();
      const across = (event.clientX - box.left) / box.width;
      const turned = getComputedStyle(frame).transform !== "none"; // a mirrored map is turned back under a pointer that hovers
      this.actions.probe(tile, turned ? 1 - across : across, (event.clientY - box.top) / box.height);
    };
    button.addEventListener("pointermove", point);
    button.addEventListener("pointerdown", point);
    button.addEventListener("focus", () => {
      for (const other of this.#tiles) other.button.tabIndex = other === tile ? 0 : -1;
      if (button.matches(":focus-visible")) this.actions.probe(tile, Number.NaN, Number.NaN);
    });
    return tile;
  }

  /** Rows of models and views, columns of classes. */
  #wide() {
    const { names, explanations, grey } = /** @type {Shown} */ (this.#shown);
    const { classes } = explanations[0];
    const head = element("thead", {}, element("tr", {},
      element("td", { className: "corner" }),
      element("th", { scope: "col" }, "face"),
      ...classes.map((_, index) => element("th", { scope: "col", "data-class": classes[index] }, this.#classButton(index))),
    ));
    const faces = { original: grey, flipped: mirroredFace(grey) };
    const bodies = explanations.map((explanation, model) => element("tbody", {},
      ...VIEWS.map((view) => element("tr", {},
        this.#rowHead(names[model], explanation, view),
        element("td", { className: "face-cell" }, this.#faceCanvas(faces[view], view)),
        ...this.#tiles.filter((tile) => tile.model === model && tile.view === view).map((tile) => this.#cell(tile)),
      )),
      element("tr", {},
        element("th", { scope: "row", className: "agreement", colSpan: 2 }, "flip consistency r", floorNote(explanation)),
        ...classes.map((name) => this.#agreement(explanation, name)),
      ),
    ));
    return [head, ...bodies];
  }

  /** Rows of classes, columns of models and views. */
  #tall() {
    const { names, explanations } = /** @type {Shown} */ (this.#shown);
    const { classes } = explanations[0];
    const head = element("thead", {},
      element("tr", {}, element("td", { className: "corner" }), ...names.map((name, model) => element("th", { scope: "colgroup", colSpan: 2 }, element("span", { className: "model-name" }, name), kindNote(explanations[model], explanations), floorNote(explanations[model])))),
      element("tr", {}, element("td", { className: "agreement-pair" }, "flip consistency r and own symmetry, left and right model"), ...names.flatMap(() => ["original", "mirrored"].map((view) => element("th", { scope: "col" }, element("span", { className: "view-name" }, view))))),
    );
    const rows = classes.map((name, index) => element("tr", {},
      element("th", { scope: "row", "data-class": name }, this.#classButton(index),
        element("span", { className: "agreement-pair" },
          `r ${explanations.map((explanation) => correlation(explanation.consistency[name].pearson)).join(" | ")}`),
        element("span", { className: "agreement-pair" }, `own ${explanations.map((explanation) => ownSymmetry(explanation, name)).join(" | ")}`)),
      ...this.#tiles.filter((tile) => tile.index === index).map((tile) => this.#cell(tile)),
    ));
    return [head, element("tbody", {}, ...rows)];
  }

  /**
   * @param {Explanation} explanation
   * @param {string} name of the class
   */
  #agreement(explanation, name) {
    const cell = element("td", { className: "agreement", "data-class": name }, correlation(explanation.consistency[name].pearson), blankMeter(),
      element("span", { className: "own" }, `own ${ownSymmetry(explanation, name)}`));
    fillMeter(cell, explanation, name);
    return cell;
  }

  /** @param {Tile} tile */
  #cell(tile) {
    const name = this.#shown?.explanations[0].classes[tile.index];
    return element("td", { "data-class": name }, tile.button);
  }

  /** @param {number} index */
  #classButton(index) {
    const { explanations } = /** @type {Shown} */ (this.#shown);
    const name = explanations[0].classes[index];
    const minor = explanations.some((explanation) => explanation.minor_classes.includes(name));
    const button = element("button", { type: "button", className: minor ? "class-button minor" : "class-button", title: `Enlarge ${name}` },
      name, minor ? element("small", {}, "minor class") : null);
    button.addEventListener("click", () => this.actions.enlarge(index));
    return button;
  }

  /**
   * @param {string} name
   * @param {Explanation} explanation
   * @param {View} view
   */
  #rowHead(name, explanation, view) {
    const alias = name === explanation.checkpoint ? null : element("span", { className: "view-name" }, explanation.checkpoint);
    const kind = kindNote(explanation, /** @type {Shown} */ (this.#shown).explanations);
    return element("th", { scope: "row" },
      element("span", { className: "model-name" }, name), view === "original" ? alias : null, kind,
      element("span", { className: "view-name" }, view === "original" ? "original" : "mirrored"));
  }

  /**
   * @param {Uint8ClampedArray} grey
   * @param {View} view
   */
  #faceCanvas(grey, view) {
    const canvas = element("canvas", { role: "img", "aria-label": view === "original" ? "The face" : "The face, mirrored" });
    paintFace(canvas, grey);
    return canvas;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const tile = this.#tiles.find(({ button }) => button === event.target);
    if (step === undefined || tile === undefined) return;
    event.preventDefault();
    if (event.shiftKey) {
      this.actions.step(step[0], tile.view === "flipped" ? -step[1] : step[1]);
      return;
    }
    const [rows, columns] = NARROW.matches ? [step[1], step[0]] : step; // rows are models and views
    const classes = this.#shown?.explanations[0].classes.length ?? 0;
    const row = Math.floor(this.#tiles.indexOf(tile) / classes) + rows;
    const column = tile.index + columns;
    if (column >= 0 && column < classes) this.#tiles[row * classes + column]?.button.focus();
  }
}
