// Colour maps and blending: presentation only, every number stays in maps.js.
import { context } from "./dom.js";
import { discCover, placeCells } from "./maps.js";
/** @typedef {import("./types.js").Cells} Cells */
/** @typedef {import("./types.js").Grid} Grid */
/** @typedef {import("./types.js").Box} Box */

export const SIDE = 168; // pixels of every overlay; the page scales it

/** @type {Map<string, Uint8Array>} 256 RGB colours by name */
const tables = new Map();

/**
 * The tables the server draws with: one source of colours for both.
 *
 * @param {Record<string, string>} coded RGB as hex, by name
 */
export function setColours(coded) {
  for (const [name, hex] of Object.entries(coded)) {
    tables.set(name, Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)));
  }
}

/**
 * A signed colour map shows values from -limit to limit, another one from 0 to limit.
 *
 * @param {string} name
 */
export const isSigned = (name) => name === "signed" || name === "discs";

/**
 * A map's values as shares of the limit, placed on the picture. Cells are cut at the ends of the scale before they are placed: a cut
 * through interpolated values would draw edges that no cell has.
 *
 * @param {Cells} cells
 * @param {Grid} grid
 * @param {number} limit
 * @param {string} colours
 */
function placedShares(cells, grid, limit, colours) {
  if (colours === "discs") return discCover(cells, grid, limit, SIDE);
  const lowest = isSigned(colours) ? -1 : 0;
  const share = (/** @type {number} */ value) => (limit > 0 ? Math.min(Math.max(value / limit, lowest), 1) : 0);
  return placeCells(cells.map((row) => row.map(share)), grid, SIDE);
}

/**
 * Paint a map over its face. A signed map covers the face by its share of the limit, so that zero is the face itself; any other covers
 * every pixel alike. Nothing is rescaled after blending.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8ClampedArray} grey the face, SIDE * SIDE
 * @param {Cells} cells
 * @param {Grid} grid
 * @param {{limit: number, colours: string, opacity: number}} style
 */
export function paintOverlay(canvas, grey, cells, grid, { limit, colours, opacity }) {
  const table = colourTable(colours);
  const signed = isSigned(colours);
  const shares = placedShares(cells, grid, limit, colours);
  const picture = new ImageData(SIDE, SIDE);
  const pixels = picture.data;
  for (let i = 0; i < shares.length; i += 1) {
    const colour = 3 * Math.floor((signed ? (shares[i] + 1) / 2 : shares[i]) * 255 + 0.5);
    const cover = signed ? opacity * Math.abs(shares[i]) : opacity;
    for (let channel = 0; channel < 3; channel += 1) pixels[4 * i + channel] = grey[i] * (1 - cover) + table[colour + channel] * cover;
    pixels[4 * i + 3] = 255;
  }
  fit(canvas).putImageData(picture, 0, 0);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8ClampedArray} grey
 */
export function paintFace(canvas, grey) {
  const picture = new ImageData(SIDE, SIDE);
  for (let i = 0; i < grey.length; i += 1) picture.data.set([grey[i], grey[i], grey[i], 255], 4 * i);
  fit(canvas).putImageData(picture, 0, 0);
}

/**
 * The colours of a legend, left to right.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string} colours
 */
export function paintLegend(canvas, colours) {
  const table = colourTable(colours);
  canvas.width = 256;
  canvas.height = 1;
  const picture = new ImageData(256, 1);
  for (let i = 0; i < 256; i += 1) picture.data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
  context(canvas).putImageData(picture, 0, 0);
}

/**
 * The grey crop the networks see, only sharper: they see 48 x 48 pixels of it. Beyond the picture's border its outermost pixels go on.
 *
 * @param {ImageBitmap} bitmap
 * @param {Box} crop in pixels of the picture as the service saw it
 * @param {number} width of the picture as the service saw it
 * @returns {Uint8ClampedArray} SIDE * SIDE
 */
export function greyCrop(bitmap, crop, width) {
  const unit = bitmap.width / width;
  const [x, y, w, h] = crop.map((length) => length * unit);
  const canvas = document.createElement("canvas");
  canvas.width = SIDE;
  canvas.height = SIDE;
  const drawing = context(canvas);
  drawing.imageSmoothingQuality = "high";
  const left = Math.max(x, 0), top = Math.max(y, 0);
  const right = Math.min(x + w, bitmap.width), bottom = Math.min(y + h, bitmap.height);
  const across = SIDE / w, down = SIDE / h;
  drawing.drawImage(bitmap, left, top, right - left, bottom - top,
    (left - x) * across, (top - y) * down, (right - left) * across, (bottom - top) * down);
  const { data } = drawing.getImageData(0, 0, SIDE, SIDE);
  const inside = {
    left: Math.ceil((left - x) * across), right: Math.floor((right - x) * across) - 1,
    top: Math.ceil((top - y) * down), bottom: Math.floor((bottom - y) * down) - 1,
  };
  const grey = new Uint8ClampedArray(SIDE * SIDE);
  for (let i = 0; i < SIDE; i += 1) {
    const fromRow = Math.min(Math.max(i, inside.top), inside.bottom);
    for (let j = 0; j < SIDE; j += 1) {
      const from = 4 * (fromRow * SIDE + Math.min(Math.max(j, inside.left), inside.right));
      grey[i * SIDE + j] = 0.299 * data[from] + 0.587 * data[from + 1] + 0.114 * data[from + 2];
    }
  }
  return grey;
}

/**
 * @param {Uint8ClampedArray} grey SIDE * SIDE
 * @returns {Uint8ClampedArray} mirrored left to right
 */
export function mirroredFace(grey) {
  const turned = new Uint8ClampedArray(grey.length);
  for (let i = 0; i < SIDE; i += 1) turned.set(grey.slice(i * SIDE, (i + 1) * SIDE).reverse(), i * SIDE);
  return turned;
}

/** @param {string} name */
function colourTable(name) {
  const table = tables.get(name);
  if (table === undefined) throw new Error(`no colour map ${name}`);
  return table;
}

/** @param {HTMLCanvasElement} canvas */
function fit(canvas) {
  if (canvas.width !== SIDE || canvas.height !== SIDE) {
    canvas.width = SIDE;
    canvas.height = SIDE;
  }
  return context(canvas);
}
