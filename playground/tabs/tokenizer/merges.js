// What a text becomes after any number of merges: nothing of it draws.

import { number } from "../../../assets/dom.js";

/**
 * The pieces of the text after n merges, as [start, end) in bytes.
 * @param {number} n
 * @param {{boundaries: number[], bytes: string}} text `boundaries`: between each two bytes, the merge that joins them
 * @returns {[number, number][]}
 */
export function piecesAfter(n, { boundaries, bytes }) {
  const pieces = [];
  let start = 0;
  for (let i = 0; i < boundaries.length; i++)
    if (boundaries[i] > n) {
      pieces.push([start, i + 1]);
      start = i + 1;
    }
  if (bytes.length) pieces.push([start, bytes.length / 2]);
  return pieces;
}

/**
 * The merges that change the text, the earliest first.
 * @param {{boundaries: number[], merges: number}} text
 */
export const mergesOf = ({ boundaries, merges }) =>
  [...new Set(boundaries)].filter((merge) => merge <= merges).sort((a, b) => a - b);

/**
 * Whether merge n made this piece.
 * @param {number} n
 * @param {[number, number]} piece
 * @param {{boundaries: number[]}} text
 */
export const isJoinedBy = (n, [start, end], { boundaries }) => boundaries.slice(start, end - 1).includes(n);

/** Milliseconds between two merges, so that all of them take about 20 seconds. @param {number} steps */
export const pauseBetween = (steps) => Math.min(700, Math.max(80, 20_000 / steps));

/**
 * A piece keeps its colour, 0 to 4, while others merge, unless it would look like the one before it.
 * @param {[number, number][]} pieces
 */
export function colorsOf(pieces) {
  let last = -1;
  return pieces.map(([start]) => (last = start % 5 === last ? (start + 1) % 5 : start % 5));
}

/**
 * Where n lies among the slider's positions: between two of them in proportion.
 * @param {number} n
 * @param {number[]} positions numbers of merges, growing
 */
export function placeOf(n, positions) {
  const at = positions.findLastIndex((position) => position <= n);
  const [low, high] = [positions[at], positions[at + 1] ?? n + 1];
  return at + (n - low) / (high - low);
}

/**
 * [name, value] of what n merges cost and save.
 * @param {number} n
 * @param {string[]} hexes the tokens of the text after them
 * @param {any} vocabulary what Python sent
 * @returns {[string, string][]}
 */
export function figures(n, hexes, { merges, specials, n_embd, block_size, bytes }) {
  const [rows, used] = [256 + n + specials, new Set(hexes).size];
  const share = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`;
  /** @type {[string, string][]} */
  const pairs = [
    ["merges", `${number(n)} of ${number(merges)}`],
    ["tokens", number(hexes.length)],
    ["bytes per token", hexes.length ? (bytes.length / 2 / hexes.length).toFixed(2) : "–"],
    ["of the vocabulary in use", `${number(used)} of ${number(rows)} (${share(used, rows)})`],
  ];
  if (n_embd)
    pairs.push(
      [`embedding parameters (${number(rows)} × ${n_embd})`, number(rows * n_embd)],
      [`of the context of ${number(block_size)} tokens`, share(hexes.length, block_size)],
    );
  return pairs;
}
