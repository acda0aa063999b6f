// The REST API: requests, and problems (RFC 9457) as errors that say what to do next.
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Settings} Settings */

export const MOST_FACES = 8;

/** @type {Record<string, string>} what a visitor can do about a problem, by its code */
const ADVICE = {
  no_face: "Draw the crop by hand, take the whole picture, or try a larger, more frontal face.",
  body_too_large: "Make the picture smaller, or crop it, and try again.",
  too_many_pixels: "Make the picture smaller and try again.",
  image_too_complex: "Save the picture again as a plain JPEG or PNG and try again.",
  image_too_small: "Choose a picture of at least 32 pixels a side.",
  bad_aspect_ratio: "Crop the picture to the face and try again.",
  animated_image: "Save one frame as JPEG, PNG or WebP and try that.",
  unsupported_image_format: "Export the picture as JPEG, PNG or WebP and try that.",
  not_an_image: "Choose a JPEG, PNG or WebP picture.",
  truncated_image: "The file is cut short: copy or download it again.",
  corrupt_image: "The file is damaged: export it again.",
  empty_upload: "The file is empty: choose another one.",
  overloaded: "Many visitors are here: wait a few seconds and try again.",
  rate_limited: "Wait a few seconds and try again.",
  not_ready: "The models are still loading: try again in a few seconds.",
  shutting_down: "The service is restarting: try again in a minute.",
  decoder_failed: "Try again; if it fails again, save the picture as a plain JPEG.",
  inference_timeout: "The machine is busy: try again in a minute.",
  upload_timeout: "The upload took too long: try a smaller picture.",
  model_not_found: "Choose another model.",
  invalid_parameter: "Change the choice you just made and try again.",
  sample_not_found: "Choose another picture.",
};

export class ServiceError extends Error {
  /**
   * @param {string} code
   * @param {string} title
   * @param {string} detail
   */
  constructor(code, title, detail) {
    super(title);
    this.code = code;
    this.detail = detail;
    this.advice = ADVICE[code] ?? "Try again; if it stays, start with one of the sample pictures.";
  }
}

/**
 * @param {string} url
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function request(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ServiceError("unreachable", "The service did not answer", "The connection failed.");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new ServiceError(problem.code ?? "", problem.title ?? `The service answered ${response.status}`, problem.detail ?? "");
}

/**
 * @param {string} endpoint
 * @param {Blob} file
 * @param {Record<string, string>} query
 * @param {AbortSignal} [signal]
 */
function send(endpoint, file, query, signal) {
  const body = new FormData();
  body.append("image", file, "picture"); // the visitor's file name is nobody's business
  return request(`/api/v1/${endpoint}?${new URLSearchParams(query)}`, { method: "POST", body, signal });
}

/**
 * @param {Blob} file
 * @param {Settings} settings
 * @param {string} crop
 * @param {AbortSignal} signal
 * @returns {Promise<{answer: Answer, text: string}>}
 */
export async function explain(file, settings, crop, signal) {
  const models = [...new Set([settings.first, settings.second])].join(",");
  const response = await send("explanations", file, { models, faces: String(MOST_FACES), method: settings.method, crop }, signal);
  const text = await response.text();
  return { answer: JSON.parse(text), text };
}

/**
 * @param {Blob} file
 * @param {Settings} settings
 * @param {string} crop
 * @param {"png" | "svg" | "pdf"} format
 * @returns {Promise<Blob>}
 */
export async function figure(file, settings, crop, format) {
  const models = [...new Set([settings.first, settings.second])].join(",");
  const query = { models, faces: String(MOST_FACES), method: settings.method, crop, format };
  return (await send("figures", file, query)).blob();
}

/**
 * @param {string} url
 * @returns {Promise<Blob>}
 */
export async function picture(url) {
  return (await request(url)).blob();
}

/**
 * @param {string} url
 * @returns {Promise<any>}
 */
export async function json(url) {
  return (await request(url)).json();
}
