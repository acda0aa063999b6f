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

/** @typedef {Partial<Record<keyof Settings, string[]>>} Offered what can be asked for, of the settings for which that is known */

/**
 * @param {string} hash
 * @param {Offered} offered
 * @returns {Settings} with two models that differ
 */
export function parseHash(hash, offered) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const read = NAMES.flatMap((name) => {
    const value = given.get(name);
    if (value === null || !FORMS[name].test(value)) return [];
    if (offered[name]?.includes(value) === false) return [];
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
  /** @type {Offered} */
  #offered = {};

  /** @type {Settings} */
  #settings = parseHash(location.hash, {});

  /** @type {((changed: Set<keyof Settings>, navigated: boolean) => void)[]} */
  #listeners = [];

  constructor() {
    window.addEventListener("hashchange", () => {
      if (document.getElementById(location.hash.slice(1)) === null) this.#apply(parseHash(location.hash, this.#offered), true);
      else this.set({}); // a place on the page, as the skip link's, is no choice: the address names the settings again
    });
  }

  /** @returns {Readonly<Settings>} */
  get value() {
    return this.#settings;
  }

  /** @param {Offered} offered in place of anything else that the address names, the usual is set */
  limit(offered) {
    this.#offered = offered;
    this.set(parseHash(formatHash(this.#settings), offered));
  }

  /** @param {Partial<Settings>} changes */
  set(changes) {
    this.#apply({ ...this.#settings, ...changes }, false);
    const hash = formatHash(this.#settings);
    try {
      history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    } catch {
      // Safari refuses once a slider has changed the address a hundred times within seconds: a later change writes it
    }
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
