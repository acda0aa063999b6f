// What the models find for the minor classes: how probable each is to each model, and where it looks.
import { byId, element, keepFocus } from "./dom.js";
import { cellCentre, contributions, EXACT_METHOD, peak } from "./maps.js";
import { percent } from "./numbers.js";
import { isSigned, paintOverlay } from "./paint.js";
/** @typedef {import("./types.js").Cue} Cue */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Settings} Settings */

/**
 * @param {string[]} names
 * @param {Explanation[]} explanations
 * @param {Record<string, number>} votes of the face's ten annotators by class, empty where nobody is known to have voted
 * @param {Uint8ClampedArray} grey the face
 * @param {Readonly<Settings>} settings
 */
export function showCues(names, explanations, votes, grey, settings) {
  const panel = byId("cues");
  const open = new Set([...panel.querySelectorAll("details")].filter((details) => details.open).map(({ dataset }) => dataset.cue));
  const summaries = () => [...panel.querySelectorAll("summary")];
  keepFocus(summaries, () => panel.replaceChildren(...sections(names, explanations, votes, open, grey, settings)));
  byId("cues-note").textContent = settings.method === EXACT_METHOD ? "" : " Places and evidence are read from the exact maps (CAM), whatever method draws them.";
}

/**
 * @param {string[]} names
 * @param {Explanation[]} explanations
 * @param {Record<string, number>} votes
 * @param {Set<string | undefined>} open the details that are
 * @param {Uint8ClampedArray} grey
 * @param {Readonly<Settings>} settings
 */
function sections(names, explanations, votes, open, grey, settings) {
  const minor = [...new Set(explanations.flatMap((explanation) => explanation.minor_classes))];
  return minor.map((name) => element("section", { className: "cue-class" },
    element("h3", { className: "minor-text" }, name),
    votesLine(name, votes),
    ...explanations.flatMap((explanation, model) => {
      const cue = explanation.cues.find((candidate) => candidate.class === name);
      if (cue === undefined) return [];
      const share = explanation.probabilities.original[explanation.classes.indexOf(name)];
      const id = `${name} ${model}`;
      return [element("div", { className: "cue" }, spot(names[model], explanation, cue, grey, settings), element("div", {},
        element("p", { className: "cue-share" }, element("span", {}, names[model]), " ", element("strong", {}, percent(share))),
        element("meter", { min: 0, max: 1, value: share, "aria-label": `Probability of ${name}, ${names[model]}` }, percent(share)),
        element("details", { open: open.has(id), "data-cue": id }, element("summary", {}, "in logits"), element("p", { className: "sentence" }, cue.sentence)),
      ))];
    })));
}

/**
 * @param {string} name
 * @param {Record<string, number>} votes
 */
function votesLine(name, votes) {
  const cast = Object.values(votes).reduce((sum, count) => sum + count, 0);
  if (cast === 0) return null;
  const share = (votes[name] ?? 0) / cast;
  return element("p", { className: "cue-share votes" }, element("span", {}, `${votes[name] ?? 0} of ${cast} annotators`), " ", element("strong", {}, percent(share)));
}

/**
 * The class's map by its own maximum, the 3 x 3 cells around the cue's peak outlined.
 *
 * @param {string} model
 * @param {Explanation} explanation
 * @param {Cue} cue
 * @param {Uint8ClampedArray} grey
 * @param {Readonly<Settings>} settings
 */
function spot(model, explanation, cue, grey, { colours, opacity }) {
  const where = cue.place === null ? "in no one place" : `at the ${cue.place}`;
  const canvas = element("canvas", { role: "img", "aria-label": `Map of ${cue.class}, ${model}: ${cue.peak === null ? "no evidence" : `evidence ${where}`}` });
  const cells = contributions(explanation, "original", explanation.classes.indexOf(cue.class));
  paintOverlay(canvas, grey, cells, explanation.grid, { limit: peak(cells, isSigned(colours)), colours, opacity });
  const frame = element("span", { className: "spot" }, canvas);
  if (cue.peak !== null) frame.append(outline(explanation, cue.peak));
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
