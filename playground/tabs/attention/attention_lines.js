// Attention as lines between two columns of words (Vig 2019, BertViz): which lines there are, and what they say.

import { triangleRow } from "./triangle.js";

/** Words whose lines can still be told apart. */
export const MOST_WORDS = 40;

/** Weights below these are not drawn: among all lines, and of the one word that is pointed at. */
export const FAINT = { all: 0.05, one: 0.01 };

const SHOWN = 4; // words that the sentence names

/**
 * A line goes from a query, on the left, to a key, on the right. A word is one of either.
 * @typedef {{query: number, key: number, head: number, weight: number}} Line
 * @typedef {{side: "query" | "key", place: number}} Word
 */

/**
 * The lines of some heads among the first `words` tokens, thick ones last, so that they lie above.
 * @param {Uint8Array} numbers of all triangles, 255 being 1
 * @param {number} T
 * @param {number} words
 * @param {number[]} heads by their place among all
 * @param {Word | null} only the word whose lines alone are wanted
 * @returns {Line[]}
 */
export function linesOf(numbers, T, words, heads, only) {
  const faint = only ? FAINT.one : FAINT.all;
  const found = [];
  for (const head of heads)
    for (let query = 0; query < words; query++)
      triangleRow(numbers, head, query, T).forEach((value, key) => {
        const isWanted = !only || { query, key }[only.side] === only.place;
        if (isWanted && value / 255 >= faint) found.push({ query, key, head, weight: value / 255 });
      });
  return found.sort((a, b) => a.weight - b.weight);
}

/**
 * What the lines of a word say, on average over the heads.
 * @param {string[]} names of the tokens
 * @param {Line[]} lines of the word
 * @param {Word} word
 * @param {number} heads how many there are
 */
export function describeLines(names, lines, { side, place }, heads) {
  const other = side === "query" ? "key" : "query";
  const total = new Map();
  for (const line of lines) total.set(line[other], (total.get(line[other]) ?? 0) + line.weight / heads);
  const strongest = [...total].sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
  const who = `“${names[place]}” ${side === "query" ? "looks at" : "is looked at by"}`;
  if (!strongest.length) return `${who} ${side === "query" ? "no token" : "none of these tokens"}.`;
  const seen = strongest.map(([i, weight]) => `“${names[i]}” ${weight.toFixed(2)}`).join(", ");
  return `${who} ${seen}${heads > 1 ? `, on average over ${heads} heads` : ""}.`;
}
