// What the tray hands over: a figure and the maps of each picture, and a table of all, as one ZIP archive.
import { archive, figure } from "./api.js";
import { patiently } from "./patience.js";
import { inWords } from "./problem.js";
import { table } from "./tray_table.js";
import { zip } from "./zip.js";
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Settings} Settings */

const LOADING = `Rows of a map are cells; "mirrored" maps are as the network saw the mirrored face. In Python:

    import numpy
    maps = numpy.load("maps/NAME.npz")
    print({name: maps[name].shape for name in maps.files})
`;

/**
 * @param {{chosen: File, file: Blob, name: string, crop: string, answer: Answer}[]} taken
 * @param {string} format of the figures
 * @param {Readonly<Settings>} settings
 * @param {(text: string) => void} tell how it goes
 * @returns {Promise<{file: Blob, text: string}>} the archive, and what is in it
 */
export async function archived(taken, format, settings, tell) {
  const files = [
    { name: "faces.csv", data: new Blob([table(taken)], { type: "text/csv" }) },
    { name: "README.txt", data: new Blob([LOADING]) },
  ];
  /** @type {string[]} */
  const missing = [];
  for (const [at, { chosen, file, name, crop }] of taken.entries()) {
    tell(`Drawing picture ${at + 1} of ${taken.length}…`);
    try {
      const drawn = await patiently(() => figure(file, settings, crop, { format }), tell);
      const maps = await patiently(() => archive(file, settings, crop), tell);
      files.push({ name: `figures/${name}.${format}`, data: drawn }, { name: `maps/${name}.npz`, data: maps });
    } catch (error) {
      missing.push(`${chosen.name}: ${inWords(error)}\n`);
    }
  }
  if (missing.length > 0) files.push({ name: "missing.txt", data: new Blob(missing) });
  const without = missing.length > 0 ? ` ${missing.length} of ${taken.length} pictures could not be drawn: missing.txt says why.` : "";
  return { file: await zip(files), text: `${files.length} files in unturned.zip.${without}` };
}
