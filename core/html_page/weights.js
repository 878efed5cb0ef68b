// The weights as core/html_file.py wrote them.

/**
 * @typedef {object} Entry one tensor in the bytes
 * @property {string} name
 * @property {number} start first byte
 * @property {"int8" | "float16" | "float32"} kind of its numbers; before those of 8 bits lies a scale for each row
 * @property {number} rows of a matrix of 8 bits
 * @property {number} size numbers in all
 */

/**
 * @param {Uint8Array} bytes
 * @param {Entry[]} entries
 * @returns {import("./model.js").Tensors}
 */
export function unpack(bytes, entries) {
  const floats = (start, count) => new Float32Array(bytes.slice(start, start + 4 * count).buffer);
  const tensors = new Map();
  const halves = (start, count) =>
    Float32Array.from(new Uint16Array(bytes.slice(start, start + 2 * count).buffer), half);
  const steps = (start, count, rows) => {
    const [scales, width] = [floats(start, rows), count / rows];
    const rounded = new Int8Array(bytes.slice(start + 4 * rows, start + 4 * rows + count).buffer);
    return Float32Array.from(rounded, (step, i) => step * scales[Math.floor(i / width)]);
  };
  const read = { int8: steps, float16: halves, float32: floats };
  for (const { name, start, kind, rows, size } of entries) tensors.set(name, read[kind](start, size, rows));
  return tensors;
}

/** A number of 16 bits: a sign, 5 bits of exponent, 10 of fraction (IEEE 754). @param {number} bits */
export function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 0x1f, bits & 0x3ff];
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

/** @param {string} text in base64 */
export function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
