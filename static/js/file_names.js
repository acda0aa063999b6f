// Names of the visitor's files, as what is made of them is called; they never leave the browser.

/**
 * A file's name without its ending and without what a file system, LaTeX or Python may not take.
 *
 * @param {Blob} file
 */
export function stemOf(file) {
  const name = file instanceof File ? file.name : "";
  return name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "_").replace(/^[._-]+/, "") || "picture";
}
