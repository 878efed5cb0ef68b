// Probabilities, as the tab writes and colours them.

import { make } from "../../../assets/dom.js";

/** @param {number} p */
export function percent(p) {
  if (p >= 0.0995) return `${Math.round(100 * p)} %`;
  return p >= 0.00095 ? `${(100 * p).toFixed(1)} %` : "< 0.1 %";
}

/** How surprising it is that something came that likely, in bits. @param {number} p */
export const surprise = (p) => `${(-Math.log2(Math.max(p, 1e-9))).toFixed(1)} bits`;

/**
 * The colour of a share of the most that there is, in a table of 256.
 * @param {number} share
 * @param {Uint32Array} colors
 */
export const colorOf = (share, colors) => colors[Math.round(255 * share)];

/**
 * A share as a bar, and as a number beside it: two cells of a table.
 * @param {number} share
 * @param {number} most the share whose bar is full
 * @param {string} text
 * @param {string} [className]
 * @returns {HTMLElement[]}
 */
export function barCells(share, most, text, className = "") {
  const bar = make("td", `pg-bar ${className}`);
  bar.style.setProperty("--weight", share / most);
  return [bar, make("td", "", text)];
}
