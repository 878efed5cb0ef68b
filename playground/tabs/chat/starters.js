// What an empty conversation shows: what the model is, how much is to be expected of it, and lines to begin with.

import { button, make } from "../../../assets/dom.js";

/** @param {number} n as 6.7M, 124M, 1.5B */
export function amount(n) {
  const [size, unit] = n >= 1e9 ? [n / 1e9, "B"] : n >= 1e6 ? [n / 1e6, "M"] : [n / 1e3, "k"];
  return `${size.toFixed(size < 100 ? 1 : 0)}${unit}`;
}

/** How much is to be expected. @param {import("./context.js").Reading} reading */
export function honestLine({ weights, plays }) {
  const what = plays ? "how Shakespeare sounds" : "how its training texts sound";
  return `${amount(weights)} weights: it has learned ${what}, not what you mean.`;
}

/** A line as it stands on its button: in one line. @param {string} line */
export const onButton = (line) => line.trim().replace(/\s*\n\s*/g, " ");

/**
 * @param {import("./context.js").Reading[]} readings
 * @param {(line: string) => unknown} send
 * @returns {HTMLElement[]}
 */
export function starters([first], send) {
  if (!first || first.error) return [];
  const [root, chips] = [make("div", "pg-starters"), make("div", "pg-starter-chips")];
  chips.append(...first.starters.map((line) => button(onButton(line), () => send(line), "pg-button pg-starter")));
  if (first.starters.length) root.append(make("p", "", "Write a line below, or begin with one of these:"), chips);
  root.append(make("p", "pg-note", honestLine(first)));
  return [root];
}
