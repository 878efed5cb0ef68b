// The weights as core/html_weights.py wrote them.

/**
 * @typedef {object} Entry one tensor in the bytes
 * @property {string} name
 * @property {number} start first byte
 * @property {"int8" | "sign" | "float16" | "float32"} kind of its numbers; before those of 8 bits, and of one, lies a
 *   scale for each row
 * @property {number} rows of a matrix of 8 bits or of one
 * @property {number} size numbers in all
 */

/** The digits of base 85 (RFC 1924), but a comma for the sign with which a tag begins. */
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";

/** The bytes that were deflated and put as text. @param {string} text */
export async function bytesOf(text) {
  const whole = new Blob([fromBase85(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(whole).arrayBuffer());
}

/** Five characters are four bytes; fewer at the end are one byte less than characters. @param {string} text */
export function fromBase85(text) {
  const values = new Uint8Array(128);
  for (let i = 0; i < DIGITS.length; i++) values[DIGITS.charCodeAt(i)] = i;
  const words = Math.ceil(text.length / 5);
  const missing = 5 * words - text.length;
  const padded = text + DIGITS[84].repeat(missing);
  const bytes = new DataView(new ArrayBuffer(4 * words));
  for (let word = 0; word < words; word++) {
    let value = 0;
    for (let i = 5 * word; i < 5 * word + 5; i++) value = 85 * value + values[padded.charCodeAt(i)];
    bytes.setUint32(4 * word, value);
  }
  return new Uint8Array(bytes.buffer, 0, 4 * words - missing);
}

/**
 * @param {Uint8Array} bytes
 * @param {Entry[]} entries
 * @returns {import("./model.js").Tensors}
 */
export function unpack(bytes, entries) {
  const read = { int8: steps, sign: signs, float16: halves, float32: floats };
  return new Map(entries.map(({ name, start, kind, rows, size }) => [name, read[kind](bytes, start, size, rows)]));
}

/** @param {Uint8Array} bytes @param {number} start @param {number} count */
const floats = (bytes, start, count) => new Float32Array(joined(bytes, start, count, 4));

/** @param {Uint8Array} bytes @param {number} start @param {number} count */
const halves = (bytes, start, count) => Float32Array.from(new Uint16Array(joined(bytes, start, count, 2)), half);

/**
 * A matrix of 8 bits: a step times the scale of its row.
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} size
 * @param {number} rows
 */
function steps(bytes, start, size, rows) {
  const [scales, width, first] = [floats(bytes, start, rows), size / rows, start + 4 * rows];
  const values = new Float32Array(size);
  for (let row = 0, i = 0; row < rows; row++) {
    for (const end = i + width; i < end; i++) values[i] = ((bytes[first + i] << 24) >> 24) * scales[row];
  }
  return values;
}

/**
 * A matrix of one bit: the scale of its row, added or taken away.
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} size
 * @param {number} rows
 */
function signs(bytes, start, size, rows) {
  const [scales, width, first] = [floats(bytes, start, rows), size / rows, start + 4 * rows];
  const values = new Float32Array(size);
  for (let row = 0, i = 0; row < rows; row++) {
    for (const end = i + width; i < end; i++) {
      values[i] = (bytes[first + (i >> 3)] >> (i & 7)) & 1 ? scales[row] : -scales[row];
    }
  }
  return values;
}

/**
 * Numbers of `width` bytes, of which first lies the lowest byte of all, then the next of all.
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} count
 * @param {number} width
 */
function joined(bytes, start, count, width) {
  const whole = new Uint8Array(count * width);
  for (let plane = 0; plane < width; plane++) {
    for (let i = 0; i < count; i++) whole[i * width + plane] = bytes[start + plane * count + i];
  }
  return whole.buffer;
}

/** A number of 16 bits: a sign, 5 bits of exponent, 10 of fraction (IEEE 754). @param {number} bits */
export function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 0x1f, bits & 0x3ff];
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}
