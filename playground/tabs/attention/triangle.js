// A head's weights as they are sent: the lower triangle of a (T, T) matrix, row after row. A row is a query.

/** How many numbers the triangle of T tokens holds. @param {number} T */
export const triangleSize = (T) => (T * (T + 1)) / 2;

/**
 * What one query of the i-th of several triangles gives to each of the keys that it sees.
 * @template {Int32Array | Uint8Array} Numbers
 * @param {Numbers} numbers of all triangles
 * @param {number} i
 * @param {number} query
 * @param {number} T
 * @returns {Numbers}
 */
export function triangleRow(numbers, i, query, T) {
  const start = i * triangleSize(T) + triangleSize(query);
  return /** @type {Numbers} */ (numbers.subarray(start, start + query + 1));
}

/**
 * The i-th triangle as T * T packed pixels; the future, above the diagonal, stays transparent.
 * @param {Uint8Array} bytes of all triangles
 * @param {number} i
 * @param {number} T
 * @param {Uint32Array} colors of the 256 values
 */
export function trianglePixels(bytes, i, T, colors) {
  const pixels = new Uint32Array(T * T);
  for (let query = 0; query < T; query++)
    triangleRow(bytes, i, query, T).forEach((value, key) => (pixels[query * T + key] = colors[value]));
  return pixels;
}
