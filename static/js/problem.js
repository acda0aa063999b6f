// What went wrong, and the ways out of it.
import { ServiceError } from "./api.js";
import { byId, element } from "./dom.js";

/**
 * @param {unknown} error
 * @param {{drawCrop: () => void, takeWhole: () => void}} waysOut offered where no face was found
 */
export function showProblem(error, waysOut) {
  const panel = byId("problem");
  const title = error instanceof Error ? error.message : "Something went wrong";
  panel.replaceChildren(element("h2", {}, title));
  if (error instanceof ServiceError) {
    if (error.detail) panel.append(element("p", {}, error.detail));
    if (error.advice) panel.append(element("p", {}, error.advice));
    if (error.code === "no_face") panel.append(element("div", { className: "row" }, way("Draw the crop", waysOut.drawCrop), way("Take the whole picture", waysOut.takeWhole)));
  }
  panel.hidden = false;
  panel.scrollIntoView({ block: "nearest" });
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
