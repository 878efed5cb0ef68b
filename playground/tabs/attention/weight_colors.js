// Attention weights as colours: from 0 to 1, up to a head's own maximum, or by their square root.

import { triangleRow } from "./triangle.js";

/** @typedef {import("../../../assets/head_focus.js").Scaling} Scaling */

/** How colours may follow weights, as [value, text]. @type {[Scaling, string][]} */
export const SCALINGS = [
  ["linear", "0 to 1"],
  ["own", "own maximum"],
  ["root", "square root"],
];

/**
 * The largest weight of the i-th head among the queries of the text's second half: the first ones have so few tokens to
 * look at that their weights are large in every head.
 * @param {Int32Array | Uint8Array} numbers of all triangles
 * @param {number} i
 * @param {number} T
 */
export function ownMaximum(numbers, i, T) {
  let largest = 0;
  for (let query = T >> 1; query < T; query++) largest = Math.max(largest, ...triangleRow(numbers, i, query, T));
  return largest;
}

/**
 * The colours of the 256 weights, 255 being 1.
 * @param {Uint32Array} colors from 0 to 1
 * @param {Scaling} scaling
 * @param {() => number} largest the head's own maximum, 1 to 255
 */
export function scaledColors(colors, scaling, largest) {
  if (scaling === "linear") return colors;
  const top = scaling === "own" ? Math.max(1, largest()) : 255;
  const place = scaling === "own" ? (share) => Math.min(1, share) : Math.sqrt;
  return Uint32Array.from(colors, (_, value) => colors[Math.round(255 * place(value / top))]);
}

/**
 * The same for a Plotly heatmap of weights from 0 to 1.
 * @param {{z: (number | null)[][], colorscale: [number, string][]}} trace
 * @param {Scaling} scaling
 * @returns {any} the trace with the scale
 */
export function scaledTrace(trace, scaling) {
  if (scaling === "root")
    return { ...trace, colorscale: trace.colorscale.map(([share, color]) => [share * share, color]) };
  if (scaling === "own") return { ...trace, zmax: Math.max(0.001, ...trace.z.slice(trace.z.length >> 1).flat()) };
  return trace;
}
