// Adjusting the crop: a square dragged over the picture, or three numbers.
import { byId, canvasById, closeOnBackdrop, context, dialogById, inputById } from "./dom.js";
/** @typedef {import("./types.js").Box} Box */

const LEAST_SIDE = 16; // pixels
const REACH = 25; // pixels of the screen around the corner by which it is taken hold of: all of its mark, and room for a finger

export class CropDialog {
  #dialog = dialogById("crop");
  #canvas = canvasById("crop-canvas");
  #fields = { x: inputById("crop-x"), y: inputById("crop-y"), side: inputById("crop-side") };

  /** @type {ImageBitmap | null} while the dialog is open */
  #bitmap = null;

  #square = { x: 0, y: 0, side: 100 };
  #largest = 100; // side

  /** @type {{kind: "move" | "resize", dx: number, dy: number} | null} how far from the corner that it moves the pointer took hold */
  #drag = null;

  /** @param {(crop: string) => void} onCrop */
  constructor(onCrop) {
    const done = (/** @type {() => string} */ crop) => () => {
      this.#dialog.close();
      onCrop(crop());
    };
    closeOnBackdrop(this.#dialog);
    this.#dialog.addEventListener("close", () => {
      this.#bitmap?.close();
      this.#bitmap = null;
    });
    byId("crop-close").addEventListener("click", () => this.#dialog.close());
    byId("crop-apply").addEventListener("click", done(() => {
      const { x, y, side } = this.#square;
      return [x, y, side, side].join(",");
    }));
    byId("crop-whole").addEventListener("click", done(() => "whole"));
    byId("crop-detect").addEventListener("click", done(() => "detect"));
    for (const [name, field] of Object.entries(this.#fields)) {
      field.addEventListener("input", () => this.#place({ ...this.#square, [name]: field.valueAsNumber || 0 }, false));
      field.addEventListener("change", () => this.#place(this.#square, true)); // the square that there is, where none was as typed
    }
    this.#canvas.addEventListener("pointerdown", (event) => this.#grab(event));
    this.#canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      this.#canvas.addEventListener(name, () => {
        this.#drag = null;
      });
    }
  }

  /**
   * @param {ImageBitmap} bitmap the dialog's own from here on
   * @param {Box | null} crop the present one, if there is one
   */
  open(bitmap, crop) {
    this.#bitmap = bitmap;
    this.#canvas.width = bitmap.width;
    this.#canvas.height = bitmap.height;
    const shorter = Math.min(bitmap.width, bitmap.height);
    const side = Math.round(0.6 * shorter);
    const [x, y, width] = crop ?? [(bitmap.width - side) / 2, (bitmap.height - side) / 2, side];
    this.#largest = Math.max(shorter, width);
    this.#dialog.showModal();
    this.#place({ x, y, side: width }, true);
  }

  close() {
    this.#dialog.close();
  }

  /**
   * The square may leave the picture, as that of a face at its border does, but not with its centre.
   *
   * @param {{x: number, y: number, side: number}} square
   * @param {boolean} writeFields false while somebody types into them
   */
  #place(square, writeFields) {
    if (this.#bitmap === null) return;
    const { width, height } = this.#bitmap;
    const side = Math.round(Math.min(Math.max(square.side, LEAST_SIDE), this.#largest));
    const x = Math.round(Math.min(Math.max(square.x, -side / 2), width - side / 2));
    const y = Math.round(Math.min(Math.max(square.y, -side / 2), height - side / 2));
    this.#square = { x, y, side };
    if (writeFields) {
      this.#fields.x.value = String(x);
      this.#fields.y.value = String(y);
      this.#fields.side.value = String(side);
    }
    this.#draw();
  }

  #draw() {
    if (this.#bitmap === null) return;
    const { x, y, side } = this.#square;
    const drawing = context(this.#canvas);
    const line = Math.max(2, this.#bitmap.width / 220);
    drawing.drawImage(this.#bitmap, 0, 0);
    drawing.fillStyle = "rgb(0 0 0 / 55%)";
    drawing.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    drawing.drawImage(this.#bitmap, x, y, side, side, x, y, side, side);
    drawing.lineWidth = line;
    drawing.strokeStyle = "#fff";
    drawing.strokeRect(x, y, side, side);
    drawing.fillStyle = "#fff";
    const mark = this.#mark();
    drawing.fillRect(mark.x - 4 * line, mark.y - 4 * line, 6 * line, 6 * line);
  }

  /** The corner by which the square is resized, or the place in the picture nearest to it. */
  #mark() {
    const { x, y, side } = this.#square;
    return { x: Math.min(x + side, this.#canvas.width), y: Math.min(y + side, this.#canvas.height) };
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) * this.#canvas.width) / box.width,
      y: ((event.clientY - box.top) * this.#canvas.height) / box.height,
    };
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0) return;
    const at = this.#point(event);
    const { x, y, side } = this.#square;
    const mark = this.#mark();
    const finger = (REACH * this.#canvas.width) / this.#canvas.getBoundingClientRect().width;
    const reach = Math.min(Math.max(finger, side / 6), 0.6 * side); // else a small square could not be moved
    this.#drag = Math.hypot(mark.x - at.x, mark.y - at.y) < reach
      ? { kind: "resize", dx: at.x - (x + side), dy: at.y - (y + side) }
      : { kind: "move", dx: at.x - x, dy: at.y - y };
    this.#canvas.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (event.buttons === 0) this.#drag = null; // let go of where the page was not told
    if (this.#drag === null) return;
    const at = this.#point(event);
    const x = at.x - this.#drag.dx, y = at.y - this.#drag.dy;
    const square = this.#square;
    this.#place(this.#drag.kind === "resize" ? { ...square, side: Math.max(x - square.x, y - square.y) } : { ...square, x, y }, true);
  }
}
