// Many pictures at once: each is explained in its turn and shown in a strip, and all of it is handed over as one ZIP archive.
import { explain, ServiceError } from "./api.js";
import { readBitmap, sendable } from "./bitmap.js";
import { CropDialog } from "./crop.js";
import { byId, context, element, inputById, offer, selectById } from "./dom.js";
import { inMemory } from "./file_bytes.js";
import { stemOf } from "./file_names.js";
import { patiently } from "./patience.js";
import { inWords } from "./problem.js";
import { parseHash } from "./settings.js";
import { archived } from "./tray_archive.js";
import { warningTexts } from "./warnings.js";
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Face} Face */
/**
 * @typedef {object} Picture
 * @property {File} chosen
 * @property {Blob | null} file as it is sent; null until it was read
 * @property {string} name what files made of it are called
 * @property {string} crop that was explained
 * @property {Answer | null} answer null where there is none
 * @property {AbortController | null} asking ends the look at it that is under way or to come; null once there is none
 * @property {HTMLElement} item its place in the strip
 * @property {HTMLElement} note how the look goes, and what went wrong
 */
/** @typedef {Picture & {file: Blob, answer: Answer}} Explained */

const SETTINGS = parseHash("", {}); // the explorer's own
const THUMBNAIL = 112;

/** @type {Picture[]} */
let pictures = []; // a new choice takes the place of the one before
let drawing = false; // an archive is being made

/** @type {Picture | null} the one whose crop is drawn */
let cropped = null;
const cropDialog = new CropDialog((crop) => {
  if (cropped !== null) explainOne(cropped, crop);
});

const field = inputById("pictures");
field.addEventListener("change", () => explainAll([...(field.files ?? [])]));
field.addEventListener("click", () => {
  field.value = ""; // a choice of the same files would be no change, and go unnoticed
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault(); // the browser would leave the page for the file
  const files = event.dataTransfer?.files;
  if (files === undefined || files.length === 0) return;
  field.files = files;
  explainAll([...files]);
});
byId("tray").addEventListener("submit", (event) => {
  event.preventDefault();
  download();
});
byId("tray").hidden = false;

const explained = () => /** @type {Explained[]} */ (pictures.filter(({ answer }) => answer !== null));

/** Whether nothing is under way that changes what there is to take. */
const atRest = () => !drawing && pictures.every(({ asking }) => asking === null);

/** @param {File[]} files */
async function explainAll(files) {
  for (const { asking } of pictures) asking?.abort();
  cropDialog.close(); // drawn on one of those before
  const names = uniqueNames(files);
  const round = files.map((chosen, at) => toLookAt(chosen, names[at]));
  pictures = round;
  byId("strip").replaceChildren();
  for (const [at, picture] of round.entries()) {
    say(`Looking at picture ${at + 1} of ${round.length}…`);
    byId("strip").append(picture.item);
    await look(picture, "detect");
    if (pictures !== round) return;
  }
  sum();
}

/**
 * @param {File} chosen
 * @param {string} name
 * @returns {Picture}
 */
function toLookAt(chosen, name) {
  const note = element("p", { className: "small" });
  const item = element("li", {}, element("strong", {}, chosen.name), note);
  return { chosen, file: null, name, crop: "detect", answer: null, asking: new AbortController(), item, note };
}

/**
 * @param {Picture} picture
 * @param {string} crop
 */
async function explainOne(picture, crop) {
  if (atRest()) say(`Looking at ${picture.chosen.name}…`);
  await look(picture, crop);
  sum();
}

/** What there is to take, once nothing is under way. */
function sum() {
  offerArchive();
  if (atRest()) say(`${explained().length} of ${pictures.length} pictures explained.`);
}

function offerArchive() {
  if (atRest() && explained().length > 0) byId("tray-zip").removeAttribute("aria-disabled");
  else byId("tray-zip").setAttribute("aria-disabled", "true"); // a button that is disabled outright would lose the keyboard's focus
}

/**
 * Explain a picture and show the answer, in place of any look at it before; the answer before stays where there is none.
 *
 * @param {Picture} picture
 * @param {string} crop
 */
async function look(picture, crop) {
  picture.asking?.abort();
  picture.asking = new AbortController();
  const { signal } = picture.asking;
  offerArchive();
  const tell = (/** @type {string} */ text) => {
    if (signal.aborted) return;
    picture.note.textContent = text;
    picture.note.hidden = text === "";
  };
  tell("Looking…");
  /** @type {Answer | null} */
  let answer = null;
  /** @type {unknown} */
  let problem = null;
  try {
    const file = (picture.file ??= await sendable(await inMemory(picture.chosen)));
    ({ answer } = await patiently(() => explain(file, SETTINGS, crop, signal), tell));
  } catch (error) {
    problem = error;
  }
  const bitmap = picture.file && (await readBitmap(picture.file).catch(() => null));
  if (!signal.aborted) {
    if (answer !== null) Object.assign(picture, { answer, crop });
    picture.asking = null;
    tell(problem === null ? "" : inWords(problem));
    const again = problem instanceof ServiceError && problem.transient ? againButton(picture, crop) : null;
    show(picture, bitmap, again);
  }
  bitmap?.close();
}

/**
 * @param {Picture} picture
 * @param {ImageBitmap | null} bitmap
 * @param {HTMLElement | null} again asks once more
 */
function show(picture, bitmap, again) {
  const { answer, item } = picture;
  const { name } = picture.chosen;
  const faces = bitmap === null || answer === null ? [] : answer.faces.map((face, index) => thumbnail(bitmap, face, answer.image.width, `Face ${index + 1} of ${name}`));
  const buttons = [again, bitmap === null ? null : cropButton(picture)].filter((button) => button !== null);
  const focused = item.contains(document.activeElement);
  item.replaceChildren(element("strong", {}, name), ...faces, ...remarks(answer), picture.note, ...buttons);
  if (focused) buttons[0]?.focus();
}

/**
 * What whoever reads an answer should know.
 *
 * @param {Answer | null} answer
 */
function remarks(answer) {
  if (answer === null) return [];
  const { faces, faces_found: found } = answer;
  const texts = [...(found > faces.length ? [`${found} faces found: the ${faces.length} largest are here.`] : []), ...warningTexts(byId("strip"), answer.warnings)];
  return texts.map((text) => element("p", { className: "small remark" }, text));
}

/** @param {Picture} picture */
function cropButton(picture) {
  return itemButton("Adjust the crop", `Adjust the crop of ${picture.chosen.name}`, async () => {
    const bitmap = await readBitmap(/** @type {Blob} */ (picture.file)); // that of a picture that was shown
    cropped = picture;
    cropDialog.open(bitmap, picture.answer?.faces[0].crop ?? null);
  });
}

/**
 * @param {Picture} picture
 * @param {string} crop
 */
function againButton(picture, crop) {
  return itemButton("Try again", `Try again with ${picture.chosen.name}`, () => explainOne(picture, crop));
}

/**
 * @param {string} text
 * @param {string} label
 * @param {() => void} action
 */
function itemButton(text, label, action) {
  const button = element("button", { type: "button", className: "button slim", "aria-label": label }, text);
  button.addEventListener("click", action);
  return button;
}

async function download() {
  if (byId("tray-zip").getAttribute("aria-disabled") === "true") return;
  drawing = true;
  offerArchive();
  try {
    const taken = explained().map((picture) => ({ ...picture })); // as they are now: a crop may be adjusted meanwhile
    const { file, text } = await archived(taken, selectById("tray-format").value, SETTINGS, say);
    offer(file, "unturned.zip");
    say(text);
  } finally {
    drawing = false;
    offerArchive();
  }
}

/**
 * The crop that was explained, and what each model answers, on the face and on its mirror image.
 *
 * @param {ImageBitmap} bitmap
 * @param {Face} face
 * @param {number} width of the picture that the crop is measured in
 * @param {string} label
 */
function thumbnail(bitmap, face, width, label) {
  const canvas = element("canvas", { width: THUMBNAIL, height: THUMBNAIL, role: "img", "aria-label": label });
  const unit = bitmap.width / width;
  const [x, y, across, down] = face.crop.map((value) => value * unit);
  context(canvas).drawImage(bitmap, x, y, across, down, 0, 0, THUMBNAIL, THUMBNAIL);
  const answers = Object.entries(face.explanations).map(([model, { predicted, predicted_flipped: mirrored }]) =>
    element("li", {}, `${model}: ${predicted}${mirrored === predicted ? ", also mirrored" : `, mirrored ${mirrored}`}`));
  return element("figure", {}, canvas, element("figcaption", {}, element("ul", {}, ...answers)));
}

/**
 * What is made of the files is called by their names, no two of them alike.
 *
 * @param {File[]} files
 */
function uniqueNames(files) {
  /** @type {Set<string>} */
  const taken = new Set();
  return files.map((file) => {
    const stem = stemOf(file);
    let unique = stem;
    for (let number = 2; taken.has(unique.toLowerCase()); number += 1) unique = `${stem}-${number}`;
    taken.add(unique.toLowerCase());
    return unique;
  });
}

/** @param {string} text */
function say(text) {
  byId("tray-status").textContent = text;
}
