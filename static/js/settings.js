// What the visitor chose, kept in the address after "#": a link shares the view, never the picture.
/** @typedef {import("./types.js").Settings} Settings */

/** @type {Settings} */
const DEFAULTS = {
  first: "baseline",
  second: "ours",
  method: "cam",
  colours: "signed",
  scale: "model",
  opacity: 0.8,
  focus: "all",
  sample: "",
};

/** @type {Record<keyof Settings, RegExp>} what may be believed of an address that anybody may have written */
const FORMS = {
  first: /^[A-Za-z0-9_.+-]{1,64}$/,
  second: /^[A-Za-z0-9_.+-]{1,64}$/,
  method: /^(cam|gradcam|gradcam\+\+|layercam|hirescam)$/,
  colours: /^(signed|discs|viridis|inferno|jet)$/,
  scale: /^(model|all|map)$/,
  opacity: /^(0(\.\d{1,2})?|1)$/,
  focus: /^(all|neutral|happiness|surprise|sadness|anger|fear|disgust)$/,
  sample: /^[a-z0-9-]{1,64}$/,
};

const NAMES = /** @type {(keyof Settings)[]} */ (Object.keys(DEFAULTS));
export const MODELS = /** @type {const} */ (["first", "second"]);

/**
 * @param {string} hash
 * @param {string[] | null} models those that can be asked for; null while they are not known
 * @returns {Settings} with two models that differ
 */
export function parseHash(hash, models) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const read = NAMES.flatMap((name) => {
    const value = given.get(name);
    if (value === null || !FORMS[name].test(value)) return [];
    if (models !== null && MODELS.some((model) => model === name) && !models.includes(value)) return [];
    return [[name, name === "opacity" ? Number(value) : value]];
  });
  /** @type {Settings} */
  const settings = { ...DEFAULTS, ...Object.fromEntries(read) };
  if (settings.first === settings.second) settings.second = settings.first === DEFAULTS.second ? DEFAULTS.first : DEFAULTS.second;
  return settings;
}

/**
 * Only what differs from the defaults.
 *
 * @param {Settings} settings
 * @returns {string}
 */
function formatHash(settings) {
  const changed = NAMES.filter((name) => settings[name] !== DEFAULTS[name]);
  return new URLSearchParams(changed.map((name) => [name, String(settings[name])])).toString();
}

export class Store {
  /** @type {string[] | null} */
  #models = null;

  /** @type {Settings} */
  #settings = parseHash(location.hash, null);

  /** @type {((changed: Set<keyof Settings>, navigated: boolean) => void)[]} */
  #listeners = [];

  constructor() {
    window.addEventListener("hashchange", () => {
      if (document.getElementById(location.hash.slice(1)) === null) this.#apply(parseHash(location.hash, this.#models), true);
      else this.set({}); // a place on the page, as the skip link's, is no choice: the address names the settings again
    });
  }

  /** @returns {Readonly<Settings>} */
  get value() {
    return this.#settings;
  }

  /** @param {string[]} models those that can be asked for; in place of any other that the address names, the usual one is set */
  limitModels(models) {
    this.#models = models;
    this.set(parseHash(formatHash(this.#settings), models));
  }

  /** @param {Partial<Settings>} changes */
  set(changes) {
    const next = { ...this.#settings, ...changes };
    const hash = formatHash(next);
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    this.#apply(next, false);
  }

  /**
   * @param {(changed: Set<keyof Settings>, navigated: boolean) => void} listener called after every change with the names that changed, and
   *   whether the visitor changed the address rather than a control
   */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /**
   * @param {Settings} next
   * @param {boolean} navigated
   */
  #apply(next, navigated) {
    const changed = new Set(NAMES.filter((name) => next[name] !== this.#settings[name]));
    this.#settings = next;
    if (changed.size > 0) for (const listener of this.#listeners) listener(changed, navigated);
  }
}
