// What went wrong, and the ways out of it.
import { ServiceError } from "./api.js";
import { byId, element } from "./dom.js";

/**
 * @typedef {object} WaysOut of a picture that has no answer
 * @property {() => void} again offered where the service may answer later
 * @property {() => void} drawCrop offered where no face was found, as is the next
 * @property {() => void} takeWhole
 */

/**
 * @param {unknown} error
 * @param {WaysOut} [waysOut]
 */
export function showProblem(error, waysOut) {
  const panel = byId("problem");
  const title = error instanceof Error ? error.message : "Something went wrong";
  panel.replaceChildren(element("h2", {}, title));
  if (error instanceof ServiceError) {
    if (error.detail) panel.append(element("p", {}, error.detail));
    if (error.advice) panel.append(element("p", {}, error.advice));
    if (waysOut !== undefined) panel.append(element("div", { className: "row" }, ...ways(error, waysOut)));
  }
  panel.hidden = false;
  panel.scrollIntoView({ block: "nearest" });
}

/** Whoever took a way out by the keyboard goes on from where there is another. */
export function hideProblem() {
  const panel = byId("problem");
  for (const id of ["crop-open", "file"]) if (panel.contains(document.activeElement)) byId(id).focus(); // the first may be hidden
  panel.hidden = true;
}

/**
 * @param {ServiceError} error
 * @param {WaysOut} waysOut
 */
function ways(error, { again, drawCrop, takeWhole }) {
  if (error.code === "no_face") return [way("Draw the crop", drawCrop), way("Take the whole picture", takeWhole)];
  return error.transient ? [way("Try again", again)] : [];
}

/**
 * @param {string} text
 * @param {() => void} action
 */
function way(text, action) {
  const button = element("button", { type: "button", className: "button slim" }, text);
  button.addEventListener("click", action);
  return button;
}

/**
 * A problem in one line, where there is no room for more.
 *
 * @param {unknown} error
 */
export function inWords(error) {
  if (error instanceof ServiceError) return `${error.message}. ${error.advice || error.detail}`;
  return error instanceof Error ? error.message : String(error);
}
