/**
 * The JSON of the REST API as the page reads it, and the page's own settings. Types only.
 *
 * @typedef {number[][]} Cells one map: rows of cells, raw (not divided by their number)
 *
 * @typedef {{first: number, step: number, input: number}} Grid cell i is centred at input pixel first + step * i
 *
 * @typedef {{pearson: number | null, mse: number | null, relative_mse: number | null, iou: number | null, own_symmetry: number | null}} Consistency
 *
 * @typedef {object} Cue
 * @property {string} class
 * @property {string | null} place null where its evidence lies in no one place, or there is none
 * @property {number} evidence logits
 * @property {number} share of all the map's evidence
 * @property {[number, number] | null} peak row and column
 * @property {boolean} mirror_agrees
 * @property {string} sentence
 *
 * @typedef {"original" | "flipped"} View
 *
 * @typedef {object} Explanation
 * @property {string} checkpoint
 * @property {string[]} classes
 * @property {string[]} minor_classes
 * @property {string} predicted
 * @property {string} predicted_flipped
 * @property {number} total_variation between the probabilities of the two views
 * @property {number[]} bias
 * @property {Grid} grid
 * @property {"exact" | "approximate"} map_kind whether the mean of a map plus the bias is the logit
 * @property {Record<View, number[]>} logits
 * @property {Record<View, number[]>} probabilities
 * @property {Record<View, Cells[]>} maps flipped ones as the network saw the mirrored face, not mapped back
 * @property {Record<string, Consistency>} consistency
 * @property {Cue[]} cues
 * @property {number | null} floor set by the page: mean agreement of the model's maps of two different faces of a class, null where not measured
 * @property {string} sees set by the page: in which colours and at which size the network is given faces, "" where that is not known
 * @property {number} divisor set by the page: by what map values are divided to be shown, the number of cells where that makes them logits
 *
 * @typedef {[number, number, number, number]} Box x, y, width, height in picture pixels
 *
 * @typedef {object} Face
 * @property {Box | null} box
 * @property {number | null} score
 * @property {Record<string, [number, number]> | null} landmarks
 * @property {Box} crop
 * @property {"detected" | "whole" | "given"} source
 * @property {string[]} summary in sentences
 * @property {string} most_changed the expression whose probability changes most in the mirror
 * @property {Record<string, Explanation>} explanations
 *
 * @typedef {object} Answer
 * @property {string} request_id
 * @property {{width: number, height: number}} image
 * @property {number} faces_found
 * @property {string[]} warnings
 * @property {Face[]} faces
 *
 * @typedef {object} Settings what the address after "#" holds; never a picture
 * @property {string} first name of the model in the upper rows
 * @property {string} second name of the model in the lower rows
 * @property {string} method
 * @property {string} colours
 * @property {"model" | "all" | "map"} scale
 * @property {number} opacity share of the colour in the blend, 0..1
 * @property {string} focus the expression of the first look, "all" for the one that changes most
 * @property {string} sample id of a gallery picture or test face, "" for a visitor's own picture
 *
 * @typedef {object} About what is known of a picture beyond its pixels
 * @property {string} name what files made of it are called
 * @property {string} sample its id, see `Settings`
 * @property {string} credit
 * @property {string} expression shown first, "" for the one that changes most
 * @property {Record<string, number>} votes of annotators by class
 * @property {boolean} [copied] whether what is sent is a JPEG made of the visitor's file
 *
 * @typedef {Pick<Subject, "file" | "crop" | "about">} Question what the service is asked
 *
 * @typedef {object} Subject the picture at hand and what the service said of it
 * @property {Blob} file
 * @property {ImageBitmap} bitmap
 * @property {Answer} answer
 * @property {string} text the answer as it arrived
 * @property {string} crop the crop asked for: "detect", "whole" or "x,y,w,h"
 * @property {Pick<Settings, "first" | "second" | "method">} asked what of the settings the answer is to
 * @property {About} about
 * @property {number} face index of the face shown
 * @property {Uint8ClampedArray} grey its crop, SIDE x SIDE
 */
export {};
