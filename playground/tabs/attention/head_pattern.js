// The head in focus, small: its weights on the text, and what one token looks at in it.

import { colorTable } from "../../../assets/colors.js";
import { make, visibleSpaces } from "../../../assets/dom.js";
import { bytesOf } from "../../../assets/files.js";
import { focus, focusedName } from "../../../assets/head_focus.js";
import { gazeOf } from "./gaze.js";
import { paintHead } from "./head_pictures.js";
import { triangleRow } from "./triangle.js";

/** Its `root`, and a way to show the head in focus and what the token at a position looks at. */
export function headPattern() {
  const [root, words] = [make("div", "pg-head-pattern"), make("div")];
  const [picture, title, told] = [make("canvas", "pg-pattern"), make("h4"), make("p", "pg-note")];
  words.append(title, told);
  root.append(picture, words);

  /** @param {number} position */
  const show = (position) => {
    const { weights, tokens, n_head, scale } = focus.grid;
    const [bytes, i] = [bytesOf(weights), focus.layer * n_head + focus.head];
    paintHead(picture, bytes, i, tokens.length, colorTable(scale));
    const z = [];
    z[position] = Array.from(triangleRow(bytes, i, position, tokens.length), (weight) => weight / 255);
    title.textContent = `Pattern of ${focusedName()}`;
    told.textContent = gazeOf(tokens.map(visibleSpaces), z, [position]).sentence;
  };
  return { root, show };
}
