// All heads at once, one of them in focus, and both as files.

import { make } from "../../../assets/dom.js";
import { focus, setFocus } from "../../../assets/head_focus.js";
import { follow } from "../../../assets/server.js";
import { focusedHead } from "./focused_head.js";
import { markOf } from "./head_facts.js";
import { headFiles } from "./head_files.js";
import { headGrid } from "./head_grid.js";
import { setMark } from "./head_pictures.js";

/** @param {Pick<import("../../../assets/server.js").View, "element" | "props" | "watch" | "server">} view */
export function mount({ element, props, watch, server }) {
  const root = element.querySelector(".pg-attention");
  const [grid, focused] = [headGrid(), focusedHead(server)];
  const [left, both, note] = [make("div", "pg-grid-side"), make("div", "pg-two"), make("p", "pg-note")];
  both.append(left, focused.root);

  follow(props, watch, (value) => {
    if (value.empty) return root.replaceChildren(make("p", "pg-note", value.empty));
    grid.draw(value);
    if (!left.firstChild)
      left.append(grid.tools(), grid.root, legend(value.patterns), note, headFiles(server, grid, focused));
    if (both.parentElement !== root) root.replaceChildren(both);
    note.textContent = noteOf(value);
    root.dataset.drawn = Number(root.dataset.drawn ?? 0) + 1;
    setFocus({
      key: value.key,
      shape: [value.n_layer, value.n_head],
      layer: Math.min(focus.layer, value.n_layer - 1),
      head: Math.min(focus.head, value.n_head - 1),
      query: null,
    });
  });
}

function noteOf({ n_layer, n_head, tokens, loss, seconds, cut }) {
  const read = loss === null ? "" : ` The model reads this text with a loss of ${loss.toFixed(2)} nats a token.`;
  const milliseconds = Math.round(seconds * 1000);
  return `${cut} ${n_layer * n_head} heads, ${tokens.length} tokens; forward pass ${milliseconds} ms.${read}`;
}

function legend(patterns) {
  const line = make("p", "pg-note pg-legend");
  line.append("In each picture a row is a token and its bright cells are the earlier tokens it looks at. ");
  for (const pattern of patterns) {
    const tag = make("span", "pg-tag");
    setMark(tag, markOf(pattern));
    line.append(tag, ` ${pattern.title} `);
  }
  line.append("Point at a head for its scores; click one, or walk with the arrow keys.");
  return line;
}
