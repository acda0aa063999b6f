// Maps as numbers: contributions, mirror, differences, colour limits, and cells placed on a picture.
/** @typedef {import("./types.js").Cells} Cells */
/** @typedef {import("./types.js").Grid} Grid */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./types.js").View} View */

export const EXACT_METHOD = "cam"; // whose maps share the logits out

/** @type {View[]} */
export const VIEWS = ["original", "flipped"];

/**
 * With exact maps, raw values over the number of cells are what each cell adds to the logit; other methods' values are shown as they are.
 *
 * @param {Explanation} explanation gets its divisor
 * @param {string} method
 */
export function setDivisor(explanation, method) {
  const [cells] = explanation.maps.original;
  explanation.divisor = method === EXACT_METHOD ? cells.length * cells[0].length : 1;
}

/**
 * A map as shown: for exact maps, what each cell adds to the logit.
 *
 * @param {Explanation} explanation
 * @param {View} view
 * @param {number} index of the class
 * @returns {Cells}
 */
export function contributions(explanation, view, index) {
  return explanation.maps[view][index].map((row) => row.map((value) => value / explanation.divisor));
}

/**
 * Mirrored left to right: a map of the flipped face, mapped back onto the face.
 *
 * @param {Cells} cells
 * @returns {Cells}
 */
export function mirrored(cells) {
  return cells.map((row) => [...row].reverse());
}

/**
 * @param {Cells} left
 * @param {Cells} right same shape
 * @returns {Cells} left minus right
 */
export function difference(left, right) {
  return left.map((row, i) => row.map((value, j) => value - right[i][j]));
}

/**
 * Largest value, or largest size of a value where negative ones count too; 0 where there is no evidence.
 *
 * @param {Cells} cells
 * @param {boolean} signed
 */
export function peak(cells, signed) {
  return Math.max(0, ...cells.flat().map((value) => (signed ? Math.abs(value) : value)));
}

/**
 * The value that gets the last colour, for every map of every model.
 *
 * @param {Explanation[]} explanations
 * @param {"model" | "all" | "map"} scale which maps share a limit
 * @param {boolean} signed
 * @returns {Record<View, number[]>[]} one a model, by view and class
 */
export function colourLimits(explanations, scale, signed) {
  const own = explanations.map((explanation) => ({
    original: explanation.classes.map((_, index) => peak(contributions(explanation, "original", index), signed)),
    flipped: explanation.classes.map((_, index) => peak(contributions(explanation, "flipped", index), signed)),
  }));
  if (scale === "map") return own;
  const highest = own.map((limits) => Math.max(...limits.original, ...limits.flipped));
  const shared = scale === "all" ? highest.map(() => Math.max(...highest)) : highest;
  return own.map((limits, model) => ({
    original: limits.original.map(() => shared[model]),
    flipped: limits.flipped.map(() => shared[model]),
  }));
}

/**
 * The limits of one class's maps: of both views and their difference, so that these compare. One a model, as models' logits are of different
 * sizes, unless all maps share a limit.
 *
 * @param {Explanation[]} explanations
 * @param {number} index of the class
 * @param {Pick<Settings, "scale">} settings
 * @param {boolean} signed
 */
export function limitsOf(explanations, index, { scale }, signed) {
  const own = explanations.map((explanation) => Math.max(...VIEWS.map((view) => peak(contributions(explanation, view, index), signed))));
  return scale === "all" ? own.map(() => Math.max(...own)) : own;
}

/**
 * A map as a picture: bilinear between the centres of its cells, constant beyond the outer ones.
 *
 * @param {Cells} cells
 * @param {Grid} grid
 * @param {number} side of the picture in pixels; it covers the network's whole input
 * @returns {Float32Array} side * side values, row by row
 */
export function placeCells(cells, grid, side) {
  const rows = weights(cells.length, grid, side);
  const columns = weights(cells[0].length, grid, side);
  const field = new Float32Array(side * side);
  for (let y = 0; y < side; y += 1) {
    const { low, high, share } = rows[y];
    for (let x = 0; x < side; x += 1) {
      const across = columns[x];
      const top = cells[low][across.low] * (1 - across.share) + cells[low][across.high] * across.share;
      const bottom = cells[high][across.low] * (1 - across.share) + cells[high][across.high] * across.share;
      field[y * side + x] = top * (1 - share) + bottom * share;
    }
  }
  return field;
}

/**
 * A map as one disc a cell, at the cell's centre: how much of each pixel a disc covers, negative for a negative value.
 *
 * A disc's area is the size of the cell's value; at the limit it is as wide as the cells are apart.
 *
 * @param {Cells} cells
 * @param {Grid} grid
 * @param {number} limit
 * @param {number} side of the picture in pixels
 * @returns {Float32Array} side * side values in -1..1, row by row
 */
export function discCover(cells, grid, limit, side) {
  const edge = (grid.step * side) / grid.input; // pixels a step: a disc's edge is one pixel wide
  const positions = Array.from({ length: side }, (_, pixel) => (((pixel + 0.5) * grid.input) / side - 0.5 - grid.first) / grid.step);
  const nearest = (/** @type {number} */ position, /** @type {number} */ count) => Math.min(Math.max(Math.round(position), 0), count - 1);
  const field = new Float32Array(side * side);
  for (let y = 0; y < side; y += 1) {
    const row = nearest(positions[y], cells.length);
    for (let x = 0; x < side; x += 1) {
      const column = nearest(positions[x], cells[0].length);
      const value = cells[row][column];
      if (value === 0 || limit === 0) continue;
      const radius = Math.sqrt(Math.abs(value) / limit) / 2;
      const distance = Math.hypot(positions[y] - row, positions[x] - column);
      field[y * side + x] = Math.sign(value) * Math.min(Math.max((radius - distance) * edge + 0.5, 0), 1);
    }
  }
  return field;
}

/**
 * The two cells each pixel lies between, and the second one's share.
 *
 * @param {number} count
 * @param {Grid} grid
 * @param {number} side
 */
function weights(count, grid, side) {
  return Array.from({ length: side }, (_, pixel) => {
    const input = ((pixel + 0.5) * grid.input) / side - 0.5;
    const position = Math.min(Math.max((input - grid.first) / grid.step, 0), count - 1);
    const low = Math.min(Math.floor(position), Math.max(count - 2, 0));
    return { low, high: Math.min(low + 1, count - 1), share: position - low };
  });
}

/**
 * The cell nearest to a place on the picture.
 *
 * @param {number} share 0..1 along one axis of the picture
 * @param {number} count cells along it
 * @param {Grid} grid
 */
export function nearestCell(share, count, grid) {
  const input = share * grid.input - 0.5;
  return Math.min(Math.max(Math.round((input - grid.first) / grid.step), 0), count - 1);
}

/**
 * Where a cell's centre lies, as a share 0..1 of the picture's side.
 *
 * @param {number} cell
 * @param {Grid} grid
 */
export function cellCentre(cell, grid) {
  return (grid.first + grid.step * cell + 0.5) / grid.input;
}
