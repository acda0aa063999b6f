// The answers for many pictures as one CSV table: a line for each picture, face, model and expression.
/** @typedef {import("./types.js").Answer} Answer */

const COLUMNS = ["picture", "warnings", "faces_found", "face", "source", "model", "checkpoint", "expression", "p", "p_mirrored", "flip_consistency", "own_symmetry", "predicted", "predicted_mirrored"];

/**
 * @param {{name: string, answer: Answer}[]} pictures
 * @returns {string}
 */
export function table(pictures) {
  const lines = pictures.flatMap(({ name, answer }) =>
    answer.faces.flatMap((face, index) =>
      Object.entries(face.explanations).flatMap(([model, { checkpoint, classes, predicted, predicted_flipped: mirrored, probabilities, consistency }]) =>
        classes.map((expression, at) => [
          name,
          answer.warnings.join(" "),
          answer.faces_found,
          index + 1,
          face.source,
          model,
          checkpoint,
          expression,
          probabilities.original[at],
          probabilities.flipped[at],
          consistency[expression].pearson,
          consistency[expression].own_symmetry,
          predicted,
          mirrored,
        ]),
      ),
    ),
  );
  return [COLUMNS, ...lines].map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

/** @param {string | number | null} value */
function cell(value) {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
