// The REST API: requests, and problems (RFC 9457) as errors that say what to do next.
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Settings} Settings */

const MOST_FACES = 8;

/** @type {Record<string, string>} what a visitor can do on this page, where the problem's own detail does not say it */
const ADVICE = {
  no_face: "No upright face is large enough to be found. Draw the crop by hand, take the whole picture, or try a larger, more frontal face.",
  unsupported_image_format: "Then choose the new file.",
  not_an_image: "Choose a JPEG, PNG or WebP picture.",
  truncated_image: "Copy or download the file again.",
  corrupt_image: "Export or download the picture again.",
  empty_upload: "Choose another file.",
  body_too_large: "Send a smaller or more strongly compressed picture.",
  internal_error: "Start again with one of the sample pictures.",
  decoder_failed: "Try again; if it fails again, save the picture as a plain JPEG.",
  upload_timeout: "Try a smaller picture.",
  model_not_found: "Choose another model.",
  invalid_parameter: "Make another choice.",
  sample_not_found: "Choose another picture.",
  unreachable: "Check the connection and try again.",
};

/** what a service that is busy answers, or a proxy before it in its place */
const TRANSIENT = [408, 429, 502, 503, 504];

export class ServiceError extends Error {
  /**
   * @param {string} code
   * @param {string} title
   * @param {string} detail
   * @param {number} status of the answer; 0 where there is none
   * @param {number} retryAfter seconds after which the service may answer; 0 where it does not say
   */
  constructor(code, title, detail, status = 0, retryAfter = 0) {
    super(title);
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.detail = code === "no_face" ? "" : detail; // there the page offers buttons for what the detail tells programs
    this.advice = ADVICE[code] ?? (this.transient && detail === "" ? "Try again in a moment." : "");
  }

  /** Whether the same may be answered a little later. */
  get transient() {
    return this.code === "unreachable" || TRANSIENT.includes(this.status);
  }
}

/**
 * @template T
 * @param {string} url
 * @param {(response: Response) => Promise<T>} read what the answer holds: a connection may fail within it, too
 * @param {RequestInit} [options]
 * @returns {Promise<T>}
 */
async function request(url, read, options) {
  let response;
  try {
    response = await fetch(url, options);
    if (response.ok) return await read(response);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ServiceError("unreachable", "The service did not answer", "The connection failed, or something else answered in its place.");
  }
  const problem = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  const { code = "", title = `The service answered ${response.status}`, detail = "" } = problem;
  throw new ServiceError(code, title, detail, response.status, retryAfter);
}

const blob = (/** @type {Response} */ response) => response.blob();

/**
 * @template T
 * @param {string} endpoint
 * @param {Blob} file
 * @param {Record<string, string>} query
 * @param {(response: Response) => Promise<T>} read
 * @param {AbortSignal} [signal]
 */
function send(endpoint, file, query, read, signal) {
  const body = new FormData();
  body.append("image", file, "picture"); // the visitor's file name is nobody's business
  return request(`/api/v1/${endpoint}?${new URLSearchParams(query)}`, read, { method: "POST", body, signal });
}

/**
 * What every request about a picture asks for.
 *
 * @param {Readonly<Settings>} settings
 * @param {string} crop
 * @returns {Record<string, string>}
 */
function choices({ first, second, method }, crop) {
  return { models: [...new Set([first, second])].join(","), faces: String(MOST_FACES), method, crop };
}

/**
 * @param {Blob} file
 * @param {Readonly<Settings>} settings
 * @param {string} crop
 * @param {AbortSignal} signal
 * @returns {Promise<{answer: Answer, text: string}>}
 */
export function explain(file, settings, crop, signal) {
  return send("explanations", file, choices(settings, crop), async (response) => {
    const text = await response.text();
    return { answer: JSON.parse(text), text };
  }, signal);
}

/**
 * The paper's figure of all faces, drawn as the grid is.
 *
 * @param {Blob} file
 * @param {Readonly<Settings>} settings
 * @param {string} crop
 * @param {Record<string, string>} sheet its format, and what else of the figure is chosen
 * @param {AbortSignal} [signal]
 * @returns {Promise<Blob>}
 */
export function figure(file, settings, crop, sheet, signal) {
  const { colours, scale, opacity } = settings;
  return send("figures", file, { ...choices(settings, crop), ...sheet, colours, scale, opacity: String(opacity) }, blob, signal);
}

/**
 * The raw maps of all faces as a NumPy archive.
 *
 * @param {Blob} file
 * @param {Readonly<Settings>} settings
 * @param {string} crop
 * @returns {Promise<Blob>}
 */
export function archive(file, settings, crop) {
  return send("maps", file, choices(settings, crop), blob);
}

/**
 * @param {string} url
 * @returns {Promise<Blob>}
 */
export function picture(url) {
  return request(url, blob);
}

/**
 * @param {string} url
 * @returns {Promise<any>}
 */
export function json(url) {
  return request(url, (response) => response.json());
}
