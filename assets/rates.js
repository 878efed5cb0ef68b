// Shares with their intervals: what every tab shows that counts how often something was so.

import { make } from "./dom.js";

/**
 * A share of `count` things, which are `of`; with its interval at 95 % confidence, unless nothing was counted.
 * @typedef {{count: number, of: string, share?: number, low?: number, high?: number}} Rate
 */

/** A share in whole per cent. @param {number} share */
export const wholePercent = (share) => `${Math.round(100 * share)} %`;

/** "62 % of 13 votes". @param {Rate} rate */
export const rateText = ({ share, count, of }) => (count ? `${wholePercent(share)} of ${count} ${of}` : `0 ${of}`);

/** The interval in words, for those who do not see the bar. @param {Rate} rate */
export const intervalText = ({ share, low, high }) =>
  `${wholePercent(share)}, between ${wholePercent(low)} and ${wholePercent(high)} with 95 % confidence`;

function interval(rate) {
  const { share, low, high } = rate;
  const track = make("span", "pg-interval");
  track.style.setProperty("--low", low);
  track.style.setProperty("--high", high);
  track.style.setProperty("--share", share);
  track.setAttribute("role", "img");
  track.setAttribute("aria-label", intervalText(rate));
  track.title = `95 % interval: ${wholePercent(low)} to ${wholePercent(high)}; the line in the middle is 50 %`;
  track.append(make("i"));
  return track;
}

/**
 * A share with its name, its bar, and a sentence that says what it means.
 * @param {string} name
 * @param {Rate} rate
 * @param {string} sentence
 * @returns {HTMLElement}
 */
export function rateRow(name, rate, sentence) {
  const row = make("div", "pg-habit");
  const title = make("p", "pg-habit-name", name);
  title.append(make("strong", "", rateText(rate)));
  row.append(title);
  if (rate.count) row.append(interval(rate));
  row.append(make("p", "pg-note", sentence));
  return row;
}
