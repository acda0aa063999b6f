// A ZIP archive of files as they are, without compression (APPNOTE 6.3, method 0).

const ENCODER = new TextEncoder();
const UTF8_NAMES = 0x0800;
const VERSION = 20;
const FIRST_DAY = 0x0021; // 1 January 1980: a file's time says nothing, and equal files make equal archives

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/**
 * Numbers in little-endian order.
 *
 * @param {...[number, 2 | 4]} fields each with its size in bytes
 */
function record(...fields) {
  const bytes = new Uint8Array(fields.reduce((size, [, width]) => size + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [value, width] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return bytes;
}

/**
 * @param {{name: string, data: Blob}[]} files below 4 GiB in all
 * @returns {Promise<Blob>}
 */
export async function zip(files) {
  /** @type {BlobPart[]} */
  const parts = [];
  /** @type {BlobPart[]} */
  const directory = [];
  let offset = 0;
  let directorySize = 0;
  for (const { name, data } of files) {
    const path = ENCODER.encode(name);
    const size = data.size;
    /** @type {[number, 2 | 4][]} */
    const shared = [[VERSION, 2], [UTF8_NAMES, 2], [0, 2], [0, 2], [FIRST_DAY, 2], [crc32(new Uint8Array(await data.arrayBuffer())), 4], [size, 4], [size, 4], [path.length, 2], [0, 2]];
    const local = record([0x04034b50, 4], ...shared);
    const central = record([0x02014b50, 4], [VERSION, 2], ...shared, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]);
    parts.push(local, path, data);
    directory.push(central, path);
    offset += local.length + path.length + size;
    directorySize += central.length + path.length;
  }
  const end = record([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [directorySize, 4], [offset, 4], [0, 2]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
