// The explorer: one picture, one answer of the service, and everything drawn from it.
import { Answers } from "./answers.js";
import { ServiceError } from "./api.js";
import { readBitmap, sendable } from "./bitmap.js";
import { CloserLook } from "./closer.js";
import { bindControls, writeControls } from "./controls.js";
import { CropDialog } from "./crop.js";
import { showCues } from "./cues.js";
import { byId, element } from "./dom.js";
import { offerDownloads } from "./downloads.js";
import { chosenFile, firstSample, listenForPictures, loadSample, markSample } from "./entry.js";
import { FigureDialog } from "./figure_dialog.js";
import { inMemory } from "./file_bytes.js";
import { stemOf } from "./file_names.js";
import { MapGrid } from "./grid.js";
import { Hero } from "./hero.js";
import { showLegends, unitOf } from "./legend.js";
import { greyCrop } from "./paint.js";
import { showPicture, showWithoutFaces } from "./picture.js";
import { Probe } from "./probe.js";
import { hideProblem, showProblem } from "./problem.js";
import { Store } from "./settings.js";
import { Swipe } from "./swipe.js";
import { busy, dim, hideAnswer } from "./waiting.js";
import { warningTexts } from "./warnings.js";
import { offerWebcam } from "./webcam.js";
/** @typedef {import("./types.js").Question} Question */
/** @typedef {import("./types.js").Settings} Settings */
/** @typedef {import("./types.js").Subject} Subject */

const LOADING_PAUSE_MS = 2000;
const OWN_CREDIT = "Your own picture.";
const ASKS_AGAIN = /** @type {(keyof Settings)[]} */ (["first", "second", "method"]);
const REFUSED_CHOICES = ["not_installed", "model_not_found", "invalid_parameter"];

class Explorer {
  #store = new Store();
  #answers = new Answers();
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

  /** @type {Subject | null} what is shown */
  #subject = null;

  /** @type {Question | null} asked last, answered or not; null while the picture chosen last is still being read */
  #question = null;

  #latest = new AbortController(); // whatever is asked next takes the place of what was asked before

  async start() {
    bindControls(this.#store);
    this.#grid.onBuilt = () => this.#paint();
    this.#store.listen((changed, navigated) => this.#onSettings(changed, navigated));
    listenForPictures((file) => this.#take(file), (sample) => this.#openSample(sample, true));
    offerWebcam((file) => this.#take(file), showProblem);
    offerDownloads(() => this.#subject, () => this.#shown(), showProblem);
    new FigureDialog(() => this.#subject, () => this.#shown(), showProblem);
    byId("crop-open").addEventListener("click", () => this.#adjustCrop());
    const early = chosenFile(); // before this script ran
    if (early) await this.#take(early);
    else await this.#openSample(this.#store.value.sample || firstSample());
  }

  /** @returns {AbortSignal} of what is asked now */
  #begin() {
    this.#latest.abort();
    this.#latest = new AbortController();
    hideProblem();
    return this.#latest.signal;
  }

  /**
   * @param {string} sample
   * @param {boolean} [chosen] by the visitor just now, so that the address names it
   */
  #openSample(sample, chosen = false) {
    return this.#choose(() => loadSample(sample), chosen ? { sample, focus: "all" } : null);
  }

  /** @param {Blob} chosen a visitor's own picture */
  #take(chosen) {
    const about = { name: stemOf(chosen), sample: "", credit: OWN_CREDIT, expression: "", votes: {} };
    return this.#choose(async () => {
      const whole = await inMemory(chosen);
      const file = await sendable(whole);
      return { file, crop: "detect", about: { ...about, copied: file !== whole } };
    }, { sample: "" });
  }

  /**
   * @param {() => Promise<Question>} read
   * @param {Partial<Settings> | null} settings that go with a choice which the visitor made on the page
   */
  async #choose(read, settings) {
    const signal = this.#begin();
    this.#question = null;
    this.#crop.close(); // drawn on another picture
    if (settings !== null || location.hash !== "") dim(true); // else the page's first result is this one's
    busy("Reading the picture…");
    try {
      const [question] = await Promise.all([read(), this.#answers.prepare(this.#store)]);
      if (signal.aborted) return;
      if (settings !== null) this.#store.set(settings);
      await this.#explain(question, signal);
      if (settings !== null) this.#reveal(question.file);
    } catch (error) {
      if (!signal.aborted) this.#fail(error, signal, (given) => this.#choose(read, given === null ? settings : { ...given, ...settings }));
    }
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

  /** @param {string} [crop] in place of the one asked for */
  #explainAgain(crop) {
    if (this.#question === null) return; // what is still being read is asked about with the settings of then
    const { file, about } = this.#question;
    this.#explain({ file, crop: crop ?? this.#question.crop, about }, this.#begin());
  }

  /**
   * @param {Question} question
   * @param {AbortSignal} signal
   */
  async #explain(question, signal) {
    this.#question = question;
    markSample(question.about);
    if (this.#subject !== null) dim(true);
    busy("Looking at the face…");
    try {
      const subject = await this.#answers.ask(question, this.#store.value, signal);
      const before = this.#subject;
      before?.bitmap.close();
      this.#subject = subject;
      const sameFaces = before !== null && before.file === subject.file && before.crop === subject.crop; // by another model or method
      this.#pickFace(sameFaces ? Math.min(before.face, subject.answer.faces.length - 1) : 0);
      dim(false);
      const { answer, face } = subject;
      busy("", ["Done.", answer.faces[face].summary[0], ...warningTexts(byId("warnings"), answer.warnings)].join(" "));
    } catch (error) {
      if (signal.aborted) return;
      if (this.#subject?.file === question.file) this.#question = this.#subject;
      else {
        this.#subject?.bitmap.close();
        this.#subject = null;
      }
      this.#fail(error, signal, () => this.#explain(question, this.#begin()));
    }
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
    byId("copy-note").textContent = ""; // that was the link to another view
    if (changed.has("sample")) {
      if (navigated) this.#openSample(this.#store.value.sample || firstSample());
    } else if (ASKS_AGAIN.some((name) => changed.has(name))) this.#explainAgain();
  }

  /** @param {number} index */
  #enlarge(index) {
    const { names, explanations, grey } = this.#current();
    this.#closer.open(index, names, explanations, grey, this.#shown());
  }

  async #adjustCrop() {
    const file = this.#question?.file;
    if (file === undefined) return;
    const bitmap = await readBitmap(file);
    const subject = this.#subject;
    if (file !== this.#question?.file) bitmap.close(); // another was chosen meanwhile
    else this.#crop.open(bitmap, subject !== null && subject.file === file ? subject.answer.faces[subject.face].crop : null);
  }

  /** The picture in which no face was found. */
  async #showRefused() {
    const file = this.#question?.file;
    if (file === undefined) return;
    const bitmap = await readBitmap(file);
    if (file === this.#question?.file && this.#subject === null) showWithoutFaces(bitmap);
    bitmap.close();
  }

  /**
   * A picture that has no answer, where what is shown of the one before must not stand under its name; or one that cannot even be read, or
   * a choice that the service refuses, which leaves what is shown as it is.
   *
   * @param {unknown} error
   * @param {AbortSignal} signal of what was asked
   * @param {(given: Partial<Settings> | null) => void} ask once more, with settings that went back meanwhile to those of what is shown
   */
  #fail(error, signal, ask) {
    /** @type {Partial<Settings> | null} */
    let given = null;
    const again = () => {
      if (!signal.aborted) ask(given); // else something else was asked meanwhile
    };
    if (this.#subject === null) hideAnswer();
    if (error instanceof ServiceError && error.code === "not_ready") {
      busy("The models are loading…");
      setTimeout(again, LOADING_PAUSE_MS);
      return;
    }
    busy("");
    dim(false);
    const refused = error instanceof ServiceError && REFUSED_CHOICES.includes(error.code); // by this service, however often it is asked
    if (this.#subject !== null && (refused || this.#question === null)) {
      const { about, asked } = this.#subject;
      const { sample, first, second, method } = this.#store.value;
      given = { sample, first, second, method };
      this.#question = null; // a setting that goes back asks for nothing
      this.#store.set({ sample: about.sample, ...asked });
      markSample(about);
      this.#question = this.#subject;
    }
    if (error instanceof ServiceError && error.code === "no_face") this.#showRefused();
    showProblem(error, { again, drawCrop: () => this.#adjustCrop(), takeWhole: () => this.#explainAgain("whole") });
  }
}

/** @param {string[]} codes */
function showWarnings(codes) {
  const panel = byId("warnings");
  const texts = warningTexts(panel, codes);
  panel.hidden = texts.length === 0;
  panel.replaceChildren(...texts.map((text) => element("p", {}, text)));
}

new Explorer().start();
