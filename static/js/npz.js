// NumPy's NPZ format (a zip of .npy files), so that maps leave the browser in the form the command line reads.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * One array as a .npy file, format version 1.0.
 *
 * @param {string} type NumPy's, such as "<f4"
 * @param {number[]} shape
 * @param {Uint8Array} data
 */
function npy(type, shape, data) {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + "\n";
  const header = new Uint8Array([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, padded.length & 255, padded.length >> 8]);
  return concatenated([header, new TextEncoder().encode(padded), data]);
}

/**
 * @param {number[]} values
 * @param {number[]} shape
 */
export function float32(values, shape) {
  return npy("<f4", shape, new Uint8Array(Float32Array.from(values).buffer));
}

/**
 * @param {number[]} values whole numbers below 2 ** 53
 * @param {number[]} shape
 */
export function int64(values, shape) {
  return npy("<i8", shape, new Uint8Array(BigInt64Array.from(values, BigInt).buffer));
}

/**
 * @param {Uint8ClampedArray} values
 * @param {number[]} shape
 */
export function uint8(values, shape) {
  return npy("|u1", shape, new Uint8Array(values));
}

/**
 * Text, one string (shape []) or a list of them.
 *
 * @param {string | string[]} texts
 */
export function text(texts) {
  const list = Array.isArray(texts) ? texts : [texts];
  const points = list.map((string) => Array.from(string, (character) => character.codePointAt(0) ?? 0));
  const longest = Math.max(1, ...points.map(({ length }) => length));
  const data = new Uint32Array(longest * list.length);
  for (const [index, string] of points.entries()) data.set(string, index * longest);
  return npy(`<U${longest}`, Array.isArray(texts) ? [list.length] : [], new Uint8Array(data.buffer));
}

/**
 * A zip of stored (not compressed) entries.
 *
 * @param {Map<string, Uint8Array>} entries
 * @returns {Blob}
 */
export function npz(entries) {
  /** @type {Uint8Array[]} */
  const files = [];
  /** @type {Uint8Array[]} */
  const directory = [];
  let offset = 0;
  for (const [key, data] of entries) {
    const name = new TextEncoder().encode(`${key}.npy`);
    const sizes = [crc32(data), data.length, data.length];
    const local = record([[4, 0x04034b50], [2, 20], [2, 0x0800], [2, 0], [2, 0], [2, 0x21], ...fours(sizes), [2, name.length], [2, 0]]);
    const central = record([[4, 0x02014b50], [2, 20], [2, 20], [2, 0x0800], [2, 0], [2, 0], [2, 0x21], ...fours(sizes), [2, name.length],
      [2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]);
    files.push(local, name, data);
    directory.push(central, name);
    offset += local.length + name.length + data.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const end = record([[4, 0x06054b50], [2, 0], [2, 0], [2, entries.size], [2, entries.size], [4, size], [4, offset], [2, 0]]);
  return new Blob([concatenated([...files, ...directory, end])], { type: "application/zip" });
}

/**
 * @param {number[]} values
 * @returns {[number, number][]}
 */
function fours(values) {
  return values.map((value) => [4, value]);
}

/**
 * Little-endian fields.
 *
 * @param {[number, number][]} fields bytes and value of each
 */
function record(fields) {
  return Uint8Array.from(fields.flatMap(([bytes, value]) => Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 255)));
}

/** @param {Uint8Array[]} parts */
function concatenated(parts) {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
