// A visitor's file as it was when it was chosen: it is sent again later, and on the disk it may have changed by then, or be gone.

/**
 * @param {Blob} file
 * @returns {Promise<Blob>}
 */
export async function inMemory(file) {
  try {
    return new Blob([await file.arrayBuffer()], { type: file.type });
  } catch {
    throw new Error("The file cannot be read. Choose it again, or another one.");
  }
}
