// A file that a visitor chose, read once: what is sent of it later does not depend on the disk.

/**
 * A file with its bytes in memory, under the name and type it had.
 *
 * @param {Blob} file
 * @returns {Promise<Blob>}
 * @throws {Error} with what to do, for a file that is gone, was changed since it was chosen, or is a folder
 */
export async function held(file) {
  try {
    const bytes = await file.arrayBuffer();
    return file instanceof File ? new File([bytes], file.name, { type: file.type }) : new Blob([bytes], { type: file.type });
  } catch {
    throw new Error("This file cannot be read. It may have been moved or changed: choose it again.");
  }
}
