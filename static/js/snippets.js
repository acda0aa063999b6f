// Texts for a researcher to copy: LaTeX that includes a figure, and Python that loads the maps behind it.
import { isSigned } from "./paint.js";
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Settings} Settings */

/** @type {Record<string, string>} */
const METHODS = { cam: "CAM", gradcam: "Grad-CAM", "gradcam++": "Grad-CAM++", layercam: "Layer-CAM", hirescam: "HiRes-CAM" };

/**
 * @param {string} name of the figure's file, without its ending
 * @param {{format: string, classes: string[], width: number}} figure
 * @param {Answer} answer
 * @param {Readonly<Settings>} settings
 */
export function latex(name, { format, classes, width }, answer, settings) {
  const include = format === "svg" ? `\\includesvg[width=${width}in]{${name}}` : `\\includegraphics[width=${width}in]{${name}.${format}}`;
  return `\\begin{figure}
  \\centering
  ${include}
  \\caption{${caption(classes, answer, settings)}}
  \\label{fig:${name}}
\\end{figure}`;
}

/**
 * @param {string[]} classes
 * @param {Answer} answer
 * @param {Readonly<Settings>} settings
 */
function caption(classes, { faces }, { method, colours }) {
  const models = Object.entries(faces[0].explanations).map(([name, { checkpoint }]) => escaped(name === checkpoint ? name : `${name} (${checkpoint})`));
  return [
    `Maps (${METHODS[method]}) of ${listed(models)} for ${listed(classes)}, on ${faces.length === 1 ? "a face" : `${faces.length} faces`} (original)`
      + ` and on ${faces.length === 1 ? "its mirror image" : "their mirror images"} (flipped).`,
    ...(isSigned(colours) ? ["Red: evidence for the expression; blue: against it."] : []),
    "$p$: probability; $r$: flip consistency, the correlation of a map with the mirror image's map flipped back.",
    ...(faces.length === 1 ? Object.entries(faces[0].explanations).map(([name, said]) => answers(escaped(name), said.predicted, said.predicted_flipped)) : []),
  ].join(" ");
}

/**
 * @param {string} name
 * @param {string} predicted
 * @param {string} mirrored
 */
function answers(name, predicted, mirrored) {
  const sentence = `${name} answers ${predicted}, ${mirrored === predicted ? "also" : `and ${mirrored}`} in the mirror.`;
  return sentence[0].toUpperCase() + sentence.slice(1);
}

/**
 * @param {string} file of the maps
 * @param {string} model name asked for
 */
export function python(file, model) {
  return `import numpy as np

saved = np.load("${file}")
maps = saved["0/${model}/maps"]  # first face: original and flipped, expressions, rows, columns
logits, bias = saved["0/${model}/logits"], saved["0/${model}/bias"]  # with CAM, maps.mean((2, 3)) + bias == logits
for name, original, flipped in zip(saved["classes"], *maps):
    print(name, np.corrcoef(original.ravel(), flipped[:, ::-1].ravel())[0, 1])  # flip consistency`;
}

/** @param {string[]} names */
const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`);

/** @param {string} text */
const escaped = (text) => text.replace(/[_&%$#]/g, "\\$&");
