// The text as a row of tokens to click.

import { button, make, visibleSpaces } from "../../../assets/dom.js";

/**
 * The row, with its `buttons`.
 * @param {string[]} tokens
 * @param {(i: number) => unknown} choose is told which one was clicked
 */
export function tokenRow(tokens, choose) {
  const row = make("div", "pg-token-row");
  const buttons = tokens.map((token, i) => button(visibleSpaces(token), () => choose(i), "pg-token"));
  row.append(...buttons);
  return Object.assign(row, { buttons });
}
