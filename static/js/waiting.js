// What the page says and shows while an answer is awaited.
import { byId } from "./dom.js";

const SHOWN = ["result", "picture-panel", "details"]; // what there is to see of an answer

/**
 * @param {string} text "" when done
 * @param {string} [done] then said to screen readers
 */
export function busy(text, done = "") {
  byId("status").classList.toggle("busy", text !== "");
  byId("status-text").classList.toggle("visually-hidden", text === "");
  byId("status-text").textContent = text || done;
}

/** @param {boolean} waiting for what takes the place of what is shown */
export function dim(waiting) {
  for (const id of SHOWN) byId(id).classList.toggle("waiting", waiting);
}

/** Where there is none to show. */
export function hideAnswer() {
  for (const id of SHOWN) byId(id).hidden = true;
}
