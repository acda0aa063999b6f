// Many pictures at once: each is explained in its turn and shown in a strip, and all of it is handed over as one ZIP archive.
import { archive, explain, figure } from "./api.js";
import { readBitmap, shrunk } from "./bitmap.js";
import { byId, context, element, inputById, offer, selectById } from "./dom.js";
import { stemOf } from "./file_names.js";
import { inWords } from "./problem.js";
import { parseHash } from "./settings.js";
import { mostProbable, table } from "./tray_table.js";
import { zip } from "./zip.js";
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Face} Face */
/** @typedef {{file: Blob, name: string, answer: Answer}} Explained the file as it was sent */

const SETTINGS = parseHash("", null); // the explorer's own
const THUMBNAIL = 112;
const LOADING = `Rows of a map are cells; "mirrored" maps are as the network saw the mirrored face. In Python:

    import numpy
    maps = numpy.load("maps/NAME.npz")
    print({name: maps[name].shape for name in maps.files})
`;

/** @type {Explained[]} */
let explained = [];
let round = 0; // a new choice of pictures ends the one before

inputById("pictures").addEventListener("change", () => explainAll([...(inputById("pictures").files ?? [])]));
byId("tray").addEventListener("submit", (event) => {
  event.preventDefault();
  download();
});
byId("tray").hidden = false;

/** @param {File[]} files */
async function explainAll(files) {
  const own = (round += 1);
  explained = [];
  byId("strip").replaceChildren();
  byId("tray-zip").setAttribute("aria-disabled", "true");
  const names = uniqueNames(files);
  for (const [at, chosen] of files.entries()) {
    say(`Looking at picture ${at + 1} of ${files.length}…`);
    const item = element("li", {}, element("strong", {}, chosen.name));
    byId("strip").append(item);
    try {
      const file = await shrunk(chosen);
      const { answer } = await explain(file, SETTINGS, "detect", new AbortController().signal);
      const bitmap = await readBitmap(file);
      if (own !== round) return;
      item.append(...answer.faces.map((face) => thumbnail(bitmap, face, answer.image.width)));
      explained.push({ file, name: names[at], answer });
    } catch (error) {
      if (own !== round) return;
      item.append(element("p", { className: "small" }, inWords(error)));
    }
  }
  say(`${explained.length} of ${files.length} pictures explained.`);
  if (explained.length > 0) byId("tray-zip").removeAttribute("aria-disabled");
}

async function download() {
  const button = byId("tray-zip");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true"); // a button that is disabled outright would lose the keyboard's focus
  const format = selectById("tray-format").value;
  const files = [
    { name: "faces.csv", data: new Blob([table(explained)], { type: "text/csv" }) },
    { name: "README.txt", data: new Blob([LOADING]) },
  ];
  try {
    for (const [at, { file, name }] of explained.entries()) {
      say(`Drawing picture ${at + 1} of ${explained.length}…`);
      files.push({ name: `figures/${name}.${format}`, data: await figure(file, SETTINGS, "detect", { format }) });
      files.push({ name: `maps/${name}.npz`, data: await archive(file, SETTINGS, "detect") });
    }
    offer(await zip(files), "unturned.zip");
    say(`${files.length} files in unturned.zip.`);
  } catch (error) {
    say(inWords(error));
  }
  button.removeAttribute("aria-disabled");
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
  const answers = Object.entries(face.explanations).map(([model, { classes, predicted, probabilities }]) => {
    const mirrored = mostProbable(classes, probabilities.flipped);
    return element("li", {}, `${model}: ${predicted}${mirrored === predicted ? ", also mirrored" : `, mirrored ${mirrored}`}`);
  });
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
