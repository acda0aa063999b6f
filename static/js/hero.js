// The first look at a face: for one expression each model's map, the mirror's map flipped back, and their difference. The markup is the
// template's; here its slots are filled again.
import { byId, element } from "./dom.js";
import { strip, unitOf } from "./legend.js";
import { contributions, difference, EXACT_METHOD, limitsOf, mirrored } from "./maps.js";
import { fillMeter } from "./meter.js";
import { correlation, percent } from "./numbers.js";
import { isSigned, paintOverlay } from "./paint.js";
/** @typedef {import("./types.js").Cells} Cells */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Settings} Settings */

const SWIPE_PIXELS = 40;

/** @type {Record<string, string>} how a value is read, in words that go before the highest */
const SCALES = { signed: "red for, blue against; full colour at", discs: "red for, blue against; widest disc at" };

export class Hero {
  #root = byId("hero");
  #rows = [...this.#root.querySelectorAll(".hero-row")];
  #chips = [...this.#root.querySelectorAll("button")].filter(({ dataset }) => dataset.expression !== undefined);

  /** @param {(expression: string) => void} onExpression */
  constructor(onExpression) {
    this.onExpression = onExpression;
    for (const chip of this.#chips) chip.addEventListener("click", () => onExpression(chip.dataset.expression ?? ""));
    const flip = byId("flip");
    flip.addEventListener("click", () => {
      const seen = this.#root.classList.toggle("as-seen");
      this.#root.classList.toggle("lands", !seen);
      this.#captionMirror();
    });
    this.#listenForSwipes();
  }

  /**
   * @param {string[]} names
   * @param {Explanation[]} explanations
   * @param {string[]} summary what is to be seen, in sentences
   * @param {string} expression
   * @param {Uint8ClampedArray} grey
   * @param {Readonly<Settings>} settings
   */
  show(names, explanations, summary, expression, grey, settings) {
    const [answer, ...findings] = summary;
    fill(this.#root, "answer", answer);
    this.#root.querySelector('[data-slot="findings"]')?.replaceChildren(...findings.map((text) => element("li", {}, text)));
    for (const chip of this.#chips) chip.setAttribute("aria-pressed", String(chip.dataset.expression === expression));
    const limits = limitsOf(explanations, explanations[0].classes.indexOf(expression), settings, isSigned(settings.colours));
    for (const [model, row] of this.#rows.entries()) {
      fillRow(row, names[model], explanations[model], expression);
      paintRow(row, names[model], explanations[model], expression, grey, { limit: limits[model], colours: settings.colours, opacity: settings.opacity });
    }
    // what the template shows there is the strip of the usual colours
    this.#root.querySelector(".hero-strip")?.replaceChildren(...(settings.colours === "signed" ? [] : [strip(settings.colours)]));
    const scale = SCALES[settings.colours] ?? "last colour at";
    fill(this.#root, "limit", `${scale} ${limits.map((limit, model) => `${limit.toFixed(2)} (${names[model]})`).join(", ")} ${settings.method === EXACT_METHOD ? "logits per cell" : unitOf(settings.method)}`);
    this.#captionMirror();
  }

  #captionMirror() {
    const seen = this.#root.classList.contains("as-seen");
    for (const caption of this.#root.querySelectorAll('[data-map="back"] figcaption')) {
      caption.textContent = seen ? "mirror, as the network saw it" : "mirror, flipped back";
    }
    byId("flip").textContent = seen ? "Flip it back" : "Flip the face";
  }

  /** A finger drawn across the maps leads to the next expression, or back to the one before. */
  #listenForSwipes() {
    /** @type {{x: number, y: number} | null} */
    let start = null;
    const maps = /** @type {HTMLElement} */ (this.#root.querySelector(".hero-rows")); // not the expressions' names: a finger moves those
    maps.addEventListener("touchstart", ({ touches }) => {
      start = touches.length === 1 ? { x: touches[0].clientX, y: touches[0].clientY } : null;
    }, { passive: true });
    maps.addEventListener("touchend", ({ changedTouches: [end] }) => {
      if (start === null) return;
      const across = end.clientX - start.x;
      if (Math.abs(across) > SWIPE_PIXELS && Math.abs(across) > 2 * Math.abs(end.clientY - start.y)) this.#step(across < 0 ? 1 : -1);
      start = null;
    });
  }

  /** @param {number} by */
  #step(by) {
    const at = this.#chips.findIndex((chip) => chip.getAttribute("aria-pressed") === "true");
    const next = this.#chips[(at + by + this.#chips.length) % this.#chips.length];
    next.scrollIntoView({ block: "nearest", inline: "center" });
    this.onExpression(next.dataset.expression ?? "");
  }
}

/**
 * @param {Element} row
 * @param {string} name
 * @param {Explanation} explanation
 * @param {string} expression
 */
function fillRow(row, name, explanation, expression) {
  const { checkpoint, predicted, predicted_flipped: mirroredAnswer, probabilities, classes, floor } = explanation;
  const index = classes.indexOf(expression);
  const { pearson, own_symmetry: own } = explanation.consistency[expression];
  const texts = {
    name,
    whose: name,
    checkpoint: checkpoint === name ? "" : checkpoint,
    seen: predicted,
    "seen-mirrored": mirroredAnswer,
    same: predicted === mirroredAnswer ? "yes" : "no",
    variation: correlation(explanation.total_variation),
    expression,
    p: percent(probabilities.original[index]),
    "p-mirrored": percent(probabilities.flipped[index]),
    r: correlation(pearson),
    own: correlation(own),
    floor: correlation(floor),
  };
  for (const [slot, text] of Object.entries(texts)) fill(row, slot, text);
  row.classList.toggle("changed", predicted !== mirroredAnswer);
  fillMeter(row, explanation, expression);
}

/**
 * @param {Element} row
 * @param {string} name
 * @param {Explanation} explanation
 * @param {string} expression
 * @param {Uint8ClampedArray} grey
 * @param {{limit: number, colours: string, opacity: number}} style
 */
function paintRow(row, name, explanation, expression, grey, style) {
  const index = explanation.classes.indexOf(expression);
  const original = contributions(explanation, "original", index);
  const back = mirrored(contributions(explanation, "flipped", index));
  const paint = (/** @type {string} */ map, /** @type {string} */ label, /** @type {Cells} */ cells, colours = style.colours) => {
    const picture = row.querySelector(`[data-map="${map}"] .hero-picture`);
    const canvas = picture?.querySelector("canvas") ?? element("canvas", { role: "img" });
    canvas.setAttribute("aria-label", label);
    paintOverlay(canvas, grey, cells, explanation.grid, { ...style, colours });
    picture?.replaceChildren(canvas);
  };
  paint("original", `Where ${name} finds evidence of ${expression} on the face`, original);
  paint("back", `Where ${name} finds evidence of ${expression} on the mirror image`, back);
  paint("difference", `Difference of the two maps of ${name}`, difference(original, back), isSigned(style.colours) ? style.colours : "signed");
}

/**
 * @param {Element} holder
 * @param {string} slot
 * @param {string} text
 */
function fill(holder, slot, text) {
  const found = holder.querySelector(`[data-slot="${slot}"]`);
  if (found !== null) found.textContent = text;
}
