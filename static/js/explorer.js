// The explorer: one picture, one answer of the service, and everything drawn from it.
import { explain, json, ServiceError } from "./api.js";
import { readBitmap, shrunk } from "./bitmap.js";
import { CloserLook } from "./closer.js";
import { bindControls, offerModels, writeControls } from "./controls.js";
import { CropDialog } from "./crop.js";
import { showCues } from "./cues.js";
import { byId, element } from "./dom.js";
import { offerDownloads } from "./downloads.js";
import { firstSample, listenForPictures, loadSample, markSample } from "./entry.js";
import { FigureDialog } from "./figure_dialog.js";
import { stemOf } from "./file_names.js";
import { MapGrid } from "./grid.js";
import { Hero } from "./hero.js";
import { showLegends, unitOf } from "./legend.js";
import { EXACT_METHOD, setDivisor } from "./maps.js";
import { greyCrop, setColours } from "./paint.js";
import { showPicture, showWithoutFaces } from "./picture.js";
import { Probe } from "./probe.js";
import { hideProblem, showProblem } from "./problem.js";
import { Store } from "./settings.js";
import { Swipe } from "./swipe.js";
import { busy, dim, hideAnswer } from "./waiting.js";
import { offerWebcam } from "./webcam.js";
/** @typedef {import("./types.js").About} About */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./types.js").Subject} Subject */

const LOADING_PAUSE_MS = 2000;
const OWN_CREDIT = "Your own picture.";
const ASKS_AGAIN = /** @type {(keyof Settings)[]} */ (["first", "second", "method"]);

class Explorer {
  #store = new Store();
  #closer = new CloserLook();
  #swipe = new Swipe();
  #hero = new Hero((expression) => this.#store.set({ focus: expression }));
  #crop = new CropDialog((crop) => this.#explainAgain(crop));
  #grid = new MapGrid(/** @type {HTMLTableElement} */ (byId("grid")), {
    enlarge: (index) => this.#enlarge(index),
    probe: (tile, x, y) => this.#probe.point(tile, x, y),
    leave: () => this.#probe.leave(),
    step: (rows, columns) => this.#probe.step(rows, columns),
  });

  #probe = new Probe(this.#grid);

  /** @type {Subject | null} */
  #subject = null;

  /** @type {Blob | null} the picture chosen last, explained or not */
  #file = null;

  /** the crop asked for with it */
  #cropAsked = "detect";

  /** @type {About} what is known of it */
  #about = { name: "", credit: "", expression: "", votes: {} };

  /** @type {AbortController | null} */
  #request = null;

  /** how many pictures were chosen: a sample that arrives after the next choice is dropped */
  #choices = 0;

  /** @type {Map<string, number | null> | null} by checkpoint, see `Explanation.floor`; null until the service has told */
  #floors = null;

  async start() {
    bindControls(this.#store);
    this.#grid.onBuilt = () => this.#paint();
    this.#store.listen((changed, navigated) => this.#onSettings(changed, navigated));
    listenForPictures((file) => this.#take(file), (sample) => this.#openSample(sample, true));
    offerWebcam((file) => this.#take(file), showProblem);
    offerDownloads(() => this.#subject, () => this.#shown(), showProblem);
    new FigureDialog(() => this.#subject, () => this.#shown(), showProblem);
    byId("crop-open").addEventListener("click", () => this.#adjustCrop());
    await this.#openSample(this.#store.value.sample || firstSample());
  }

  /** What answers are drawn with; asked for again as long as the service has not told. */
  async #prepare() {
    if (this.#floors !== null) return;
    const start = await json("/explorer/start.json");
    setColours(start.colours);
    this.#floors = new Map(start.models.map((/** @type {{name: string, mirror_floor: number | null}} */ { name, mirror_floor }) => [name, mirror_floor]));
    offerModels(start, this.#store);
  }

  /** @returns {number} of the picture about to be chosen */
  #choose() {
    hideProblem();
    busy("Reading the picture…");
    return (this.#choices += 1);
  }

  /**
   * @param {string} sample
   * @param {boolean} [chosen] by the visitor just now, so that the address names it
   */
  async #openSample(sample, chosen = false) {
    const choice = this.#choose();
    if (location.hash !== "" || chosen) dim(true); // else the page's first result is this one's
    try {
      const [{ file, crop, about }] = await Promise.all([loadSample(sample), this.#prepare()]);
      if (choice !== this.#choices) return;
      markSample(sample, about.credit);
      if (chosen) this.#store.set({ sample, focus: "all" });
      await this.#explain(file, crop, about);
      if (chosen) this.#reveal(file);
    } catch (error) {
      if (choice === this.#choices) this.#fail(error, () => choice === this.#choices && this.#openSample(sample, chosen));
    }
  }

  /** @param {Blob} chosen a visitor's own picture */
  async #take(chosen) {
    const choice = this.#choose();
    this.#request?.abort(); // its answer would appear under the new credit
    dim(true);
    markSample("", OWN_CREDIT);
    this.#store.set({ sample: "" });
    const file = await shrunk(chosen);
    if (choice !== this.#choices) return;
    await this.#explain(file, "detect", { name: stemOf(chosen), credit: OWN_CREDIT, expression: "", votes: {} });
    this.#reveal(file);
  }

  /**
   * On a small screen the answer to a choice would appear out of sight.
   *
   * @param {Blob} file
   */
  #reveal(file) {
    const result = byId("result");
    if (this.#subject?.file !== file || result.hidden) return;
    if (result.getBoundingClientRect().top > 0.6 * window.innerHeight) result.scrollIntoView({ block: "start" });
  }

  /** @param {string} crop */
  #explainAgain(crop) {
    if (this.#file !== null) this.#explain(this.#file, crop, this.#about);
  }

  /**
   * @param {Blob} file
   * @param {string} crop
   * @param {About} about
   */
  async #explain(file, crop, about) {
    this.#request?.abort();
    const request = new AbortController();
    this.#request = request;
    if (file !== this.#file) this.#crop.close(); // drawn on another picture
    this.#file = file;
    this.#cropAsked = crop;
    this.#about = about;
    hideProblem();
    if (this.#subject !== null) dim(true);
    busy("Looking at the face…");
    try {
      await this.#prepare();
      const { first, second, method } = this.#store.value;
      const { answer, text } = await explain(file, this.#store.value, crop, request.signal);
      const bitmap = await readBitmap(file);
      if (request.signal.aborted) {
        bitmap.close();
        return;
      }
      for (const face of answer.faces) for (const explanation of Object.values(face.explanations)) this.#complete(explanation, method);
      this.#subject?.bitmap.close();
      this.#subject = { file, bitmap, answer, text, crop, asked: { first, second, method }, about, face: 0, grey: new Uint8ClampedArray() };
      this.#pickFace(0);
      dim(false);
      busy("", "Done: the maps are below.");
    } catch (error) {
      if (request.signal.aborted) return;
      if (this.#subject?.file === file) this.#cropAsked = this.#subject.crop;
      else {
        this.#subject?.bitmap.close();
        this.#subject = null;
      }
      this.#fail(error, () => request === this.#request && this.#explain(file, crop, about));
    }
  }

  /**
   * What the page adds to an answer.
   *
   * @param {Explanation} explanation
   * @param {string} method
   */
  #complete(explanation, method) {
    setDivisor(explanation, method);
    explanation.floor = method === EXACT_METHOD ? (this.#floors?.get(explanation.checkpoint) ?? null) : null;
  }

  /** @param {number} face */
  #pickFace(face) {
    const subject = this.#subject;
    if (subject === null) return;
    subject.face = face;
    subject.grey = greyCrop(subject.bitmap, subject.answer.faces[face].crop, subject.answer.image.width);
    this.#probe.forget();
    for (const id of ["result", "details"]) byId(id).hidden = false;
    showWarnings(subject.answer.warnings);
    const { names, explanations } = this.#current();
    showPicture(subject, (index) => this.#pickFace(index));
    this.#grid.show(names, explanations, subject.grey);
  }

  /** Names asked for and explanations of the face shown, upper row first. */
  #current() {
    const subject = /** @type {Subject} */ (this.#subject);
    const { explanations } = subject.answer.faces[subject.face];
    const names = Object.keys(explanations);
    return { names, explanations: names.map((name) => explanations[name]), grey: subject.grey };
  }

  /**
   * The settings of what is shown: a model or a method that is only asked for has drawn nothing yet.
   *
   * @returns {Readonly<Settings>}
   */
  #shown() {
    return { ...this.#store.value, ...this.#subject?.asked };
  }

  /** Everything that changes without a request. */
  #paint() {
    writeControls(this.#store.value);
    if (this.#subject === null) return;
    const settings = this.#shown();
    const { names, explanations, grey } = this.#current();
    const { about, answer, face } = /** @type {Subject} */ (this.#subject);
    const { summary, most_changed: mostChanged } = answer.faces[face];
    const expression = settings.focus === "all" ? about.expression || mostChanged : settings.focus;
    this.#hero.show(names, explanations, summary, expression, grey, settings);
    this.#grid.paint(settings);
    this.#grid.markShown(expression);
    showCues(names, explanations, about.votes, grey, settings);
    showLegends(byId("legends"), names, explanations, settings);
    this.#swipe.show(names, explanations, expression, grey, settings);
    this.#probe.read(names, explanations, unitOf(settings.method));
  }

  /**
   * @param {Set<keyof Settings>} changed
   * @param {boolean} navigated
   */
  #onSettings(changed, navigated) {
    this.#paint();
    if (changed.has("sample")) {
      if (navigated) this.#openSample(this.#store.value.sample || firstSample());
    } else if (ASKS_AGAIN.some((name) => changed.has(name))) this.#explainAgain(this.#cropAsked);
  }

  /** @param {number} index */
  #enlarge(index) {
    const { names, explanations, grey } = this.#current();
    this.#closer.open(index, names, explanations, grey, this.#shown());
  }

  async #adjustCrop() {
    const file = this.#file;
    if (file === null) return;
    const bitmap = await readBitmap(file);
    const subject = this.#subject;
    if (file !== this.#file) bitmap.close(); // another was chosen meanwhile
    else this.#crop.open(bitmap, subject !== null && subject.file === file ? subject.answer.faces[subject.face].crop : null);
  }

  /** The picture in which no face was found. */
  async #showRefused() {
    const file = this.#file;
    if (file === null) return;
    const bitmap = await readBitmap(file);
    if (file === this.#file && this.#subject === null) showWithoutFaces(bitmap);
    bitmap.close();
  }

  /**
   * A picture that has no answer: what is shown of the one before must not stand under its name.
   *
   * @param {unknown} error
   * @param {() => void} again asks once more, unless something else was asked meanwhile
   */
  #fail(error, again) {
    if (this.#subject === null) hideAnswer();
    if (error instanceof ServiceError && error.code === "not_ready") {
      busy("The models are loading…");
      setTimeout(again, LOADING_PAUSE_MS);
      return;
    }
    busy("");
    dim(false);
    if (error instanceof ServiceError && error.code === "no_face") this.#showRefused();
    showProblem(error, { again, drawCrop: () => this.#adjustCrop(), takeWhole: () => this.#explainAgain("whole") });
  }
}

/** @param {string[]} codes the page holds a text for each */
function showWarnings(codes) {
  const panel = byId("warnings");
  const texts = codes.map((code) => panel.getAttribute(`data-${code.replaceAll("_", "-")}`) ?? code);
  panel.hidden = texts.length === 0;
  panel.replaceChildren(...texts.map((text) => element("p", {}, text)));
}

new Explorer().start();
