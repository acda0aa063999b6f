// The controls above the grid: read into the settings, written from them.
import { byId, element, inputById, selectById } from "./dom.js";
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./settings.js").Store} Store */

const INSTANT = /** @type {const} */ (["focus", "colours", "scale", "method"]);
const MODELS = /** @type {const} */ (["first", "second"]);

/** @param {Store} store */
export function bindControls(store) {
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const name of INSTANT) {
    selectById(name).addEventListener("change", () => store.set({ [name]: selectById(name).value }));
  }
  inputById("opacity").addEventListener("input", () => store.set({ opacity: inputById("opacity").valueAsNumber }));
  for (const name of MODELS) {
    selectById(name).addEventListener("change", () => {
      const { first, second } = store.value;
      const { value } = selectById(name);
      // choosing the model that the other rows show swaps the two
      if (name === "first") store.set({ first: value, second: value === second ? first : second });
      else store.set({ second: value, first: value === first ? second : first });
    });
  }
  writeControls(store.value);
}

/** @param {Readonly<Settings>} settings */
export function writeControls(settings) {
  for (const name of [...INSTANT, ...MODELS]) selectById(name).value = settings[name];
  inputById("opacity").value = String(settings.opacity);
  byId("opacity-value").textContent = `${Math.round(100 * settings.opacity)} %`;
}

/**
 * The models to choose from are offered, and nothing that this service does not have is left in the settings.
 *
 * @param {{ours: string, models: {name: string}[]}} listed
 * @param {Store} store
 */
export function offerChoices({ ours, models }, store) {
  const names = [...new Set(["baseline", "ours", ...models.map(({ name }) => name)])];
  for (const id of MODELS) {
    selectById(id).replaceChildren(...names.map((name) => element("option", { value: name }, name === "ours" ? `ours (${ours})` : name)));
  }
  const methods = [...selectById("method").options].filter(({ disabled }) => !disabled).map(({ value }) => value);
  store.limit({ first: names, second: names, method: methods });
  writeControls(store.value);
}
