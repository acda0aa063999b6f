// The answers for many pictures as one CSV table: a line for each picture, face, model and expression.
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Cells} Cells */

const COLUMNS = ["picture", "face", "model", "checkpoint", "expression", "p", "p_mirrored", "flip_consistency", "own_symmetry", "predicted", "predicted_mirrored"];
const FLAT = 1e-6; // standard deviation over the cells below which a map has no pattern

/**
 * @param {{name: string, answer: Answer}[]} pictures
 * @returns {string}
 */
export function table(pictures) {
  const lines = pictures.flatMap(({ name, answer }) =>
    answer.faces.flatMap((face, index) =>
      Object.entries(face.explanations).flatMap(([model, { checkpoint, classes, predicted, probabilities, maps, consistency }]) =>
        classes.map((expression, at) => [
          name,
          index + 1,
          model,
          checkpoint,
          expression,
          probabilities.original[at],
          probabilities.flipped[at],
          consistency[expression].pearson,
          ownSymmetry(maps.original[at]),
          predicted,
          mostProbable(classes, probabilities.flipped),
        ]),
      ),
    ),
  );
  return [COLUMNS, ...lines].map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

/**
 * @param {string[]} classes
 * @param {number[]} probabilities
 */
export function mostProbable(classes, probabilities) {
  return classes[probabilities.indexOf(Math.max(...probabilities))];
}

/** @param {string | number | null} value */
function cell(value) {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Pearson correlation of a map with its own mirror image; null where it is flat.
 *
 * @param {Cells} map
 */
function ownSymmetry(map) {
  const values = map.flat();
  const mirrored = map.flatMap((row) => [...row].reverse());
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let shared = 0;
  let squares = 0;
  values.forEach((value, at) => {
    shared += (value - mean) * (mirrored[at] - mean);
    squares += (value - mean) ** 2;
  });
  return Math.sqrt(squares / values.length) < FLAT ? null : shared / squares;
}
