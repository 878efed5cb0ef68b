// An answer's text, plain or under the X-ray: as tokens in the colour of their probability.

import { cssOf, readableOn } from "../../../assets/colors.js";
import { make, visibleSpaces } from "../../../assets/dom.js";
import { chip, passage, visible } from "../../../assets/tokens.js";
import { colorOf, percent, surprise } from "./probability.js";
import { textOf } from "./turns.js";

/** @typedef {import("./turns.js").Answer} Answer */

/** `update` draws what has come since. @param {Answer} answer */
export function plainText(answer) {
  const root = make("div", "pg-said-text");
  const update = () => {
    const text = textOf(answer).replace(/^\n+/, "");
    if (root.textContent !== text) root.textContent = text;
  };
  return { root, update };
}

function describe([id, probability, hex]) {
  return [
    ["token", visibleSpaces(visible(hex).text)],
    ["id", id],
    ["probability", percent(probability)],
    ["surprise", surprise(probability)],
  ];
}

function tokenChip([, probability, hex], colors) {
  const node = chip(hex, 0, true);
  const color = colorOf(probability, colors);
  node.style.background = cssOf(color);
  node.style.color = readableOn(color);
  return node;
}

/**
 * `update` draws what has come since.
 * @param {Answer} answer
 * @param {Uint32Array} colors
 * @param {(index: number) => unknown} inspect what a click on a token does
 */
export function xrayText(answer, colors, inspect) {
  const facts = (/** @type {number} */ i) => /** @type {[string, string][]} */ (describe(answer.tokens[i]));
  const root = passage(`Tokens of ${answer.model}`, facts, inspect);
  if (answer.lead.trim()) root.append(make("span", "pg-note", answer.lead.trim()), make("br")); // not the model's
  let drawn = 0;
  const update = () => {
    for (; drawn < answer.tokens.length; drawn++) {
      const node = tokenChip(answer.tokens[drawn], colors);
      if (!drawn) node.tabIndex = 0;
      root.append(node);
      if (visible(answer.tokens[drawn][2]).text.includes("\n")) root.append(make("br"));
    }
  };
  return { root, update };
}
