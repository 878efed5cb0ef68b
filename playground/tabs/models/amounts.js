// Sizes, counts and measurements in words.

import { number } from "../../../assets/dom.js";

/** @param {number} bytes */
export const megabytes = (bytes) =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;

/** @param {number} n */
export const shortCount = (n) =>
  n >= 1e6 ? `${(n / 1e6).toFixed(1)}M` : n >= 1e3 ? `${(n / 1e3).toFixed(0)}k` : String(n);

/**
 * A figure of a report card, see `describe_report` in cards.py.
 * @typedef {{value: number, share: boolean, count?: number, of?: string, low?: number, high?: number}} Figure
 */

/** @param {Figure} figure */
export const figureText = ({ value, share }) =>
  share ? `${Math.round(100 * value)} %` : String(Number(value.toPrecision(4)));

/** Of a share, its 95 % interval and on how many cases it was counted. @param {Figure} figure */
export function certaintyText({ share, count, of, low, high }) {
  if (!share) return "";
  if (!count) return "n not noted";
  const n = `n = ${number(count)} ${of}`;
  return low === undefined ? n : `${Math.round(100 * low)} to ${Math.round(100 * high)} %, ${n}`;
}
