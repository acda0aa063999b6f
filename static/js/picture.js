// The visitor's picture with the faces found in it, and the choice among them.
import { byId, canvasById, context, element } from "./dom.js";
import { greyCrop, paintFace } from "./paint.js";
/** @typedef {import("./types.js").Subject} Subject */

const NOTES = {
  detected: "The square is the crop the networks see",
  whole: "The whole picture was taken as the face",
  given: "A crop drawn by hand, as the networks see it",
};

/**
 * A picture in which no face was found: to see why, and to draw the crop by hand.
 *
 * @param {ImageBitmap} bitmap
 */
export function showWithoutFaces(bitmap) {
  draw(bitmap, "The picture, in which no face was found");
  byId("picture-note").textContent = "No face was found here. Adjust the crop to draw a square around it.";
  byId("faces").replaceChildren();
}

/**
 * @param {ImageBitmap} bitmap
 * @param {string} label
 */
function draw(bitmap, label) {
  const canvas = canvasById("picture");
  canvas.setAttribute("aria-label", label);
  byId("picture-panel").hidden = false;
  const scale = Math.min(1, 640 / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const drawing = context(canvas);
  drawing.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return { canvas, drawing };
}

/**
 * @param {Subject} subject
 * @param {(face: number) => void} onPick
 */
export function showPicture(subject, onPick) {
  const { bitmap, answer, face } = subject;
  const { canvas, drawing } = draw(bitmap, "The picture with the faces found");
  const unit = canvas.width / answer.image.width;
  const line = canvas.width / 120;
  for (const [index, { crop }] of answer.faces.entries()) {
    const [x, y, w, h] = crop.map((length) => length * unit);
    drawing.lineWidth = index === face ? 2 * line : line;
    drawing.strokeStyle = "#000";
    drawing.strokeRect(x, y, w, h);
    drawing.lineWidth /= 2;
    drawing.strokeStyle = index === face ? "#fde725" : "#fff";
    drawing.strokeRect(x, y, w, h);
  }
  byId("picture-note").textContent = note(subject);
  showFaces(subject, onPick);
}

/** @param {Subject} subject */
function note({ about, answer, face }) {
  const { source, explanations } = answer.faces[face];
  const seen = [...new Set(Object.values(explanations).map(({ sees }) => sees))].filter((sees) => sees !== "").join("; ");
  const { width, height } = answer.image;
  return [
    `${NOTES[source]}${seen && ": "}${seen}.`,
    ...(answer.faces_found > answer.faces.length ? [`${answer.faces_found} faces found; the ${answer.faces.length} largest can be picked.`] : []),
    ...(about.copied ? [`Your file was sent as a JPEG of ${width} × ${height} pixels; boxes and downloads are in those.`] : []),
  ].join(" ");
}

/**
 * @param {Subject} subject
 * @param {(face: number) => void} onPick
 */
function showFaces({ bitmap, answer, face }, onPick) {
  const panel = byId("faces");
  const focused = panel.contains(document.activeElement);
  panel.replaceChildren();
  if (answer.faces.length < 2) return;
  for (const [index, { crop }] of answer.faces.entries()) {
    const canvas = element("canvas");
    paintFace(canvas, greyCrop(bitmap, crop, answer.image.width));
    const button = element("button", { type: "button", "aria-pressed": String(index === face), "aria-label": `Face ${index + 1} of ${answer.faces.length}` }, canvas);
    button.addEventListener("click", () => onPick(index));
    panel.append(button);
    if (focused && index === face) button.focus();
  }
}
