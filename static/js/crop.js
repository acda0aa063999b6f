// Adjusting the crop: a square dragged over the picture, or three numbers.
import { byId, canvasById, closeOnBackdrop, context, dialogById, inputById } from "./dom.js";
/** @typedef {import("./types.js").Box} Box */

const LEAST_SIDE = 16; // pixels

export class CropDialog {
  #dialog = dialogById("crop");
  #canvas = canvasById("crop-canvas");
  #fields = { x: inputById("crop-x"), y: inputById("crop-y"), side: inputById("crop-side") };

  /** @type {ImageBitmap | null} while the dialog is open */
  #bitmap = null;

  #square = { x: 0, y: 0, side: 100 };

  /** @type {{kind: "move" | "resize", dx: number, dy: number} | null} */
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
    this.#canvas.addEventListener("pointerup", () => {
      this.#drag = null;
    });
  }

  /**
   * @param {ImageBitmap} bitmap the dialog's own from here on
   * @param {Box | null} crop the present one, if there is one
   */
  open(bitmap, crop) {
    this.#bitmap = bitmap;
    this.#canvas.width = bitmap.width;
    this.#canvas.height = bitmap.height;
    const side = Math.round(0.6 * Math.min(bitmap.width, bitmap.height));
    const [x, y, width] = crop ?? [(bitmap.width - side) / 2, (bitmap.height - side) / 2, side];
    this.#dialog.showModal();
    this.#place({ x, y, side: width }, true);
  }

  close() {
    this.#dialog.close();
  }

  /**
   * @param {{x: number, y: number, side: number}} square
   * @param {boolean} writeFields false while somebody types into them
   */
  #place(square, writeFields) {
    if (this.#bitmap === null) return;
    const { width, height } = this.#bitmap;
    const side = Math.round(Math.min(Math.max(square.side, LEAST_SIDE), width, height));
    const x = Math.round(Math.min(Math.max(square.x, 0), width - side));
    const y = Math.round(Math.min(Math.max(square.y, 0), height - side));
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
    drawing.fillRect(x + side - 4 * line, y + side - 4 * line, 6 * line, 6 * line);
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
    const { x, y } = this.#point(event);
    const square = this.#square;
    const reach = Math.max(12, square.side / 6);
    const corner = Math.hypot(square.x + square.side - x, square.y + square.side - y) < reach;
    this.#drag = { kind: corner ? "resize" : "move", dx: x - square.x, dy: y - square.y };
    this.#canvas.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (this.#drag === null) return;
    const { x, y } = this.#point(event);
    const square = this.#square;
    if (this.#drag.kind === "resize") this.#place({ ...square, side: Math.max(x - square.x, y - square.y) }, true);
    else this.#place({ ...square, x: x - this.#drag.dx, y: y - this.#drag.dy }, true);
  }
}
