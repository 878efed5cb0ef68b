// An answer token by token, each in the colour of a number that belongs to it.

import { cssOf, readableOn } from "../../../assets/colors.js";
import { make, visibleSpaces } from "../../../assets/dom.js";
import { chip, fill, passage, visible } from "../../../assets/tokens.js";

const EXTREME = 0.02; // this share of the tokens may be off the scale

export const signed = (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
export const sum = (values) => values.reduce((total, value) => total + value, 0);

/** How far a scale goes to both sides. @param {number[]} values that it has to show */
export function reachOf(values) {
  const sizes = values.map(Math.abs).sort((a, b) => a - b);
  return sizes.length ? Math.max(0.1, sizes[Math.floor((1 - EXTREME) * (sizes.length - 1))]) : 0.1;
}

/** A number's packed pixel. @param {ArrayLike<number>} colors from less to more @param {number} reach of the scale */
export const colorOn = (colors, reach) => (value) =>
  colors[Math.round(255 * Math.min(1, Math.max(0, 0.5 + value / (2 * reach))))];

/** What the colours mean. @param {string[]} colors @param {string} unit @param {number} reach */
export function scaleLegend(colors, unit, reach) {
  const node = make("p", "pg-scale");
  const bar = make("span", "pg-scale-bar");
  bar.style.background = `linear-gradient(to right, ${colors.join(", ")})`;
  node.append(make("span", "", signed(-reach, 1)), bar, make("span", "", `${signed(reach, 1)} ${unit}`));
  return node;
}

/**
 * @param {string} label
 * @param {string[]} tokens their bytes
 * @param {number[]} values which are shown as colours
 * @param {(value: number) => number} color
 * @param {(at: number) => any[]} said of a token beside its text: [name, value] each
 */
export function coloredTokens(label, tokens, values, color, said) {
  const about = (at) => [["token", visibleSpaces(visible(tokens[at]).text)], ...said(at)];
  const chips = passage(label, about, () => {});
  const nodes = tokens.map((hex, at) => {
    const node = chip(hex, 0, true);
    const pixel = color(values[at]);
    node.style.background = cssOf(pixel);
    node.style.color = readableOn(pixel);
    return node;
  });
  fill(chips, nodes, tokens);
  return chips;
}
