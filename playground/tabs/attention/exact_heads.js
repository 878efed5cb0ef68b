// What the saved page asks instead of a server: every head's weights, which lie inside it.

import { bytesOf } from "../../../assets/files.js";
import { triangleRow } from "./triangle.js";

const ONE = 65535; // a weight of 1, as it is saved

/**
 * A `focus_head` like Python's.
 * @param {any} saved `exact`: all triangles in base64; `figure`: a heatmap of any head; `titles`: with {layer}, {head}
 */
export function exactHeads({ grid: { n_layer, n_head, tokens }, exact, figure, titles }) {
  const T = tokens.length;
  const numbers = new Int32Array(bytesOf(exact).buffer);
  const all = Array.from({ length: n_layer * n_head }, (_, i) => i);

  return async ({ layer, head, over }) => {
    const start = layer * n_head;
    const chosen = { head: [start + head], layer: all.slice(start, start + n_head), all }[over];
    const z = tokens.map((_, query) => {
      const rows = chosen.map((i) => triangleRow(numbers, i, query, T));
      const mean = (key) => rows.reduce((sum, row) => sum + row[key], 0) / rows.length / ONE;
      return tokens.map((_, key) => (key > query ? null : mean(key)));
    });
    const text = titles[over].replace("{layer}", layer + 1).replace("{head}", head + 1);
    const layout = { ...figure.layout, title: { ...figure.layout.title, text } };
    return { ...figure, data: [{ ...figure.data[0], z }], layout };
  };
}
