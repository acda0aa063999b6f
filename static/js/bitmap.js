// A picture's file as the service sees it: upright and laid on white; a large one, or one in another format, copied before it is sent.
import { context } from "./dom.js";

const EXIF_ORIENTATION = 0x0112;
const LARGE_BYTES = 1 << 20;
const MOST_SIDE = 1600; // pixels: a face of 3 % of that is as large as what the networks see
const JPEG_QUALITY = 0.92;

/**
 * A large photo as a smaller JPEG, which is sent in a fraction of the time; as a JPEG, too, what the browser reads and the service does
 * not; any other file as it is.
 *
 * @param {Blob} file
 * @returns {Promise<Blob>}
 */
export async function sendable(file) {
  const served = (await formatOf(file)) !== "";
  if (served && file.size <= LARGE_BYTES) return file;
  const bitmap = await readBitmap(file).catch(() => null);
  if (bitmap === null) return file; // the service says what is wrong with it
  const scale = Math.min(1, MOST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const drawing = context(canvas);
  drawing.imageSmoothingQuality = "high";
  drawing.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const copy = await new Promise((/** @type {(blob: Blob | null) => void} */ done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
  return copy !== null && (!served || copy.size < file.size) ? copy : file;
}

/**
 * By a file's first bytes, which of the formats that the service reads it is in; "" for none.
 *
 * @param {Blob} file
 */
async function formatOf(file) {
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  if (head.startsWith("\xff\xd8")) return "JPEG";
  if (head.startsWith("\x89PNG")) return "PNG";
  return head.startsWith("RIFF") && head.endsWith("WEBP") ? "WebP" : "";
}

/**
 * Upright pixels of a JPEG, PNG or WebP file, or of any other that the browser reads, the transparent ones white.
 *
 * Browsers turn JPEG and PNG by their EXIF orientation, but not all of them WebP: they are told not to, and that is done here.
 *
 * @param {Blob} file
 */
export async function readBitmap(file) {
  try {
    const format = await formatOf(file);
    if (format === "JPEG") return await createImageBitmap(file); // has nothing transparent
    if (format !== "WebP") return await onWhite(await createImageBitmap(file), 1);
    const orientation = webpOrientation(await file.arrayBuffer());
    return await onWhite(await createImageBitmap(file, { imageOrientation: "none" }), orientation);
  } catch {
    throw new Error("This file is not a picture the browser can read. Choose a JPEG, PNG or WebP picture.");
  }
}

/**
 * @param {ImageBitmap} bitmap as stored
 * @param {number} orientation 1..8, as EXIF numbers them
 */
async function onWhite(bitmap, orientation) {
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = orientation > 4 ? [height, width] : [width, height];
  const drawing = context(canvas);
  drawing.fillStyle = "#fff";
  drawing.fillRect(0, 0, canvas.width, canvas.height);
  // Where the stored picture's x axis, y axis and corner go.
  const [a, b, c, d, e, f] = [
    [1, 0, 0, 1, 0, 0],
    [-1, 0, 0, 1, width, 0],
    [-1, 0, 0, -1, width, height],
    [1, 0, 0, -1, 0, height],
    [0, 1, 1, 0, 0, 0],
    [0, 1, -1, 0, height, 0],
    [0, -1, -1, 0, height, width],
    [0, -1, 1, 0, 0, width],
  ][orientation - 1];
  drawing.transform(a, b, c, d, e, f);
  drawing.drawImage(bitmap, 0, 0);
  bitmap.close();
  return createImageBitmap(canvas);
}

/**
 * EXIF orientation 1..8 of a WebP file; 1 where there is none or it makes no sense.
 *
 * @param {ArrayBuffer} file
 */
function webpOrientation(file) {
  const view = new DataView(file);
  let position = 12;
  while (position + 8 <= view.byteLength) {
    const size = view.getUint32(position + 4, true);
    if (view.getUint32(position) === 0x45584946) { // "EXIF"
      const end = Math.min(position + 8 + size, view.byteLength);
      return exifOrientation(new DataView(file, position + 8, end - position - 8));
    }
    position += 8 + size + (size % 2);
  }
  return 1;
}

/** @param {DataView} exif a TIFF header and its tags, in some files behind "Exif" and two zeros */
function exifOrientation(exif) {
  try {
    const start = exif.getUint32(0) === 0x45786966 ? 6 : 0;
    const little = exif.getUint16(start) === 0x4949; // "II", else "MM"
    const tags = start + exif.getUint32(start + 4, little);
    for (let tag = 0; tag < exif.getUint16(tags, little); tag += 1) {
      const entry = tags + 2 + 12 * tag;
      if (exif.getUint16(entry, little) !== EXIF_ORIENTATION) continue;
      const value = exif.getUint16(entry + 8, little);
      return value >= 1 && value <= 8 ? value : 1;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the tags end too soon
  }
  return 1;
}
