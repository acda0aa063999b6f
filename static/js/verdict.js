// What the models answer, and what they find for the rare expressions, in words.
import { element } from "./dom.js";
import { percent } from "./grid.js";
import { cellCentre } from "./maps.js";
import { paintFace } from "./paint.js";
/** @typedef {import("./types.js").Cue} Cue */
/** @typedef {import("./types.js").Explanation} Explanation */

/**
 * @param {HTMLElement} panel
 * @param {string[]} names
 * @param {Explanation[]} explanations
 */
export function showVerdict(panel, names, explanations) {
  panel.replaceChildren(...explanations.map((explanation, model) => {
    const { original, flipped } = explanation.probabilities;
    const answer = explanation.classes.indexOf(explanation.predicted);
    const mirroredAnswer = explanation.classes[flipped.indexOf(Math.max(...flipped))];
    const same = mirroredAnswer === explanation.predicted;
    const mirror = same ? `mirrored ${percent(flipped[answer])}` : `but on the mirror image ${mirroredAnswer}, ${percent(Math.max(...flipped))}`;
    return element("p", {}, `${names[model]} sees `, element("strong", {}, explanation.predicted), ` ${percent(original[answer])}`,
      element("span", { className: "soft" }, ` (${mirror})`));
  }));
}

/**
 * @param {string} name of the model
 * @param {Cue} cue
 * @param {Explanation} explanation
 * @returns {string} what the cue is, and what becomes of it: evidence at one place is not yet an answer
 */
export function cueSentence(name, cue, { classes, logits, probabilities }) {
  if (cue.place === null || cue.peak === null) return `${name} finds no evidence of ${cue.class}.`;
  const mirror = cue.mirror_agrees ? "and at the same place in the mirror image" : "but not at the same place in the mirror image";
  const strength = cue.evidence.toFixed(cue.evidence < 0.1 ? 2 : 1);
  const index = classes.indexOf(cue.class);
  const score = logits.original[index].toFixed(1).replace("-", "−");
  return `${name} finds ${strength} logits of evidence of ${cue.class} at the ${cue.place}, ${mirror}. The whole face scores ${score}, a probability of ${percent(probabilities.original[index])}.`;
}

/**
 * @param {HTMLElement} panel
 * @param {string[]} names
 * @param {Explanation[]} explanations
 * @param {Uint8ClampedArray} grey the face
 */
export function showCues(panel, names, explanations, grey) {
  const minor = [...new Set(explanations.flatMap((explanation) => explanation.minor_classes))];
  panel.replaceChildren(...minor.map((name) => element("section", { className: "cue-class" },
    element("h3", { className: "minor-text" }, name),
    ...explanations.flatMap((explanation, model) => {
      const cue = explanation.cues.find((candidate) => candidate.class === name);
      if (cue === undefined) return [];
      return [element("div", { className: "cue" }, spot(explanation, cue, grey), element("p", {}, cueSentence(names[model], cue, explanation)))];
    }))));
}

/**
 * The face with the 3 x 3 cells around the cue's peak outlined.
 *
 * @param {Explanation} explanation
 * @param {Cue} cue
 * @param {Uint8ClampedArray} grey
 */
function spot(explanation, cue, grey) {
  const canvas = element("canvas", { role: "img", "aria-label": cue.place === null ? "The face, nothing outlined" : `The face with its ${cue.place} outlined` });
  paintFace(canvas, grey);
  const frame = element("span", { className: "spot" }, canvas);
  if (cue.peak !== null && cue.place !== null) frame.append(outline(explanation, cue.peak));
  return frame;
}

/**
 * @param {Explanation} explanation
 * @param {[number, number]} peak
 */
function outline(explanation, [row, column]) {
  const { grid } = explanation;
  const half = (1.5 * grid.step) / grid.input;
  const box = element("span", { className: "outline" });
  const edge = (/** @type {number} */ centre) => [Math.max(centre - half, 0), Math.min(centre + half, 1)];
  const [left, right] = edge(cellCentre(column, grid));
  const [top, bottom] = edge(cellCentre(row, grid));
  box.style.left = `${100 * left}%`;
  box.style.top = `${100 * top}%`;
  box.style.width = `${100 * (right - left)}%`;
  box.style.height = `${100 * (bottom - top)}%`;
  return box;
}
