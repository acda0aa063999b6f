// Many pictures at once: each is explained in its turn and shown in a strip, and all of it is handed over as one ZIP archive.
import { archive, explain, figure, ServiceError } from "./api.js";
import { readBitmap, shrunk } from "./bitmap.js";
import { CropDialog } from "./crop.js";
import { byId, context, element, inputById, offer, selectById } from "./dom.js";
import { stemOf } from "./file_names.js";
import { inWords } from "./problem.js";
import { parseHash } from "./settings.js";
import { table } from "./tray_table.js";
import { zip } from "./zip.js";
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Face} Face */
/**
 * @typedef {object} Picture
 * @property {Blob} file as it is sent
 * @property {string} title the file's name as chosen
 * @property {string} name what files made of it are called
 * @property {string} crop that was explained
 * @property {Answer | null} answer null where there is none
 * @property {HTMLElement} item its place in the strip
 */
/** @typedef {Picture & {answer: Answer}} Explained */

const SETTINGS = parseHash("", null); // the explorer's own
const THUMBNAIL = 112;
const MOST_TRIES = 5;
const LOADING = `Rows of a map are cells; "mirrored" maps are as the network saw the mirrored face. In Python:

    import numpy
    maps = numpy.load("maps/NAME.npz")
    print({name: maps[name].shape for name in maps.files})
`;

/** @type {Picture[]} */
let pictures = [];
let round = new AbortController(); // a new choice of pictures ends the one before

/** @type {Picture | null} the one whose crop is drawn */
let cropped = null;
const cropDialog = new CropDialog((crop) => {
  if (cropped !== null) explainOne(cropped, crop);
});

inputById("pictures").addEventListener("change", () => explainAll([...(inputById("pictures").files ?? [])]));
byId("tray").addEventListener("submit", (event) => {
  event.preventDefault();
  download();
});
byId("tray").hidden = false;

const explained = () => /** @type {Explained[]} */ (pictures.filter(({ answer }) => answer !== null));

/** @param {File[]} files */
async function explainAll(files) {
  round.abort();
  round = new AbortController();
  const { signal } = round;
  pictures = [];
  byId("strip").replaceChildren();
  byId("tray-zip").setAttribute("aria-disabled", "true");
  const names = uniqueNames(files);
  for (const [at, chosen] of files.entries()) {
    say(`Looking at picture ${at + 1} of ${files.length}…`);
    const item = element("li", {}, element("strong", {}, chosen.name));
    byId("strip").append(item);
    const file = await shrunk(chosen);
    if (signal.aborted) return;
    const picture = { file, title: chosen.name, name: names[at], crop: "detect", answer: null, item };
    pictures.push(picture);
    await look(picture, "detect");
    if (signal.aborted) return;
  }
  sum();
}

/**
 * @param {Picture} picture
 * @param {string} crop
 */
async function explainOne(picture, crop) {
  say(`Looking at ${picture.title}…`);
  await look(picture, crop);
  if (pictures.includes(picture)) sum();
}

/** What there is to take. */
function sum() {
  const count = explained().length;
  say(`${count} of ${pictures.length} pictures explained.`);
  if (count > 0) byId("tray-zip").removeAttribute("aria-disabled");
}

/**
 * Explain a picture and show the answer; the one before stays where there is none.
 *
 * @param {Picture} picture
 * @param {string} crop
 */
async function look(picture, crop) {
  /** @type {HTMLElement | null} */
  let problem = null;
  const { signal } = round;
  const waiting = element("p", { className: "small" });
  const tell = (/** @type {string} */ text) => {
    waiting.textContent = text;
    picture.item.append(waiting);
  };
  try {
    picture.answer = (await patiently(() => explain(picture.file, SETTINGS, crop, signal), tell)).answer;
    picture.crop = crop;
  } catch (error) {
    problem = element("p", { className: "small" }, inWords(error));
  }
  const bitmap = await readBitmap(picture.file).catch(() => null);
  const { answer, item, title } = picture;
  const faces = bitmap === null || answer === null ? [] : answer.faces.map((face) => thumbnail(bitmap, face, answer.image.width));
  bitmap?.close();
  const button = bitmap === null ? null : cropButton(picture);
  const focused = item.contains(document.activeElement);
  item.replaceChildren(element("strong", {}, title), ...faces, ...[problem, button].filter((part) => part !== null));
  if (focused) button?.focus();
}

/**
 * Ask again while the service has no room, each time after as long as it says.
 *
 * @template T
 * @param {() => Promise<T>} ask
 * @param {(text: string) => void} tell
 * @returns {Promise<T>}
 */
async function patiently(ask, tell) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ServiceError) || error.retryAfter === 0 || tries === MOST_TRIES) throw error;
      const { message, retryAfter } = error;
      tell(`${message}: trying again in ${retryAfter} s…`);
      await new Promise((done) => setTimeout(done, 1000 * retryAfter));
    }
  }
}

/** @param {Picture} picture */
function cropButton(picture) {
  const button = element("button", { type: "button", className: "button slim", "aria-label": `Adjust the crop of ${picture.title}` }, "Adjust the crop");
  button.addEventListener("click", async () => {
    const bitmap = await readBitmap(picture.file);
    cropped = picture;
    cropDialog.open(bitmap, picture.answer?.faces[0].crop ?? null);
  });
  return button;
}

async function download() {
  const button = byId("tray-zip");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true"); // a button that is disabled outright would lose the keyboard's focus
  const { signal } = round;
  const format = selectById("tray-format").value;
  const taken = explained();
  const files = [
    { name: "faces.csv", data: new Blob([table(taken)], { type: "text/csv" }) },
    { name: "README.txt", data: new Blob([LOADING]) },
  ];
  /** @type {string[]} */
  const missing = [];
  for (const [at, { file, title, name, crop }] of taken.entries()) {
    say(`Drawing picture ${at + 1} of ${taken.length}…`);
    try {
      const drawn = await patiently(() => figure(file, SETTINGS, crop, { format }), say);
      const maps = await patiently(() => archive(file, SETTINGS, crop), say);
      files.push({ name: `figures/${name}.${format}`, data: drawn }, { name: `maps/${name}.npz`, data: maps });
    } catch (error) {
      missing.push(`${title}: ${inWords(error)}\n`);
    }
  }
  if (missing.length > 0) files.push({ name: "missing.txt", data: new Blob(missing) });
  offer(await zip(files), "unturned.zip");
  const without = missing.length > 0 ? ` ${missing.length} of ${taken.length} pictures could not be drawn: missing.txt says why.` : "";
  say(`${files.length} files in unturned.zip.${without}`);
  if (!signal.aborted) button.removeAttribute("aria-disabled"); // of other pictures there may be nothing to take yet
}

/**
 * A face as the networks saw it, and what each of them answers, on the face and on its mirror image.
 *
 * @param {ImageBitmap} bitmap
 * @param {Face} face
 * @param {number} width of the picture that the crop is measured in
 */
function thumbnail(bitmap, face, width) {
  const canvas = element("canvas", { width: THUMBNAIL, height: THUMBNAIL, role: "img", "aria-label": "The face" });
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
