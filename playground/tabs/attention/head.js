// One head large: its weights as a picture, and the text on which its gaze lights up.

import { choice, make } from "../../../assets/dom.js";
import { display, focus, onShown, setFocus, shownHead } from "../../../assets/head_focus.js";
import { latest } from "../../../assets/server.js";
import { gazeOf } from "./gaze.js";
import { headFiles } from "./head_files.js";
import { drawMatrix } from "./matrix.js";
import { tokenRow } from "./token_row.js";

/** @type {[string, string][]} */
const OVER = [
  ["head", "one head"],
  ["layer", "mean of its layer"],
  ["all", "mean of all heads"],
];

/** @param {Pick<import("../../../assets/server.js").View, "element" | "server">} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-head-view");
  const [plot, words] = [make("div", "pg-focus"), make("div", "pg-words")];
  const fetchFigure = latest(words);
  const picked = new Set();
  let [over, figure, wanted, text] = ["head", null, "", ""];

  const paint = () => drawMatrix(plot, figure, display.scaling);

  const draw = async () => {
    const [layer, head] = shownHead();
    const { key } = focus;
    const found = await fetchFigure(server.focus_head({ key, layer, head, over }));
    if (!found || !root.isConnected) return;
    figure = found;
    words.replaceChildren(...litWords(figure, picked));
    await paint();
  };

  const pictured = choice("Picture of", OVER, (chosen) => {
    over = chosen;
    draw();
  });
  const files = headFiles(server, plot, () => figure);
  root.replaceChildren(pictured, plot, words, files);

  let scaling = display.scaling;
  onShown(root, () => {
    const key = JSON.stringify(focus.key);
    const now = JSON.stringify([key, shownHead()]);
    if (text !== key) picked.clear();
    if (wanted !== now) draw();
    else if (scaling !== display.scaling && figure) paint();
    [wanted, text, scaling] = [now, key, display.scaling];
  });
}

// The text itself: point at a token, and what it looks at lights up; click several for their mean.
function litWords({ data: [{ z }], names }, picked) {
  const told = make("p", "pg-note");
  const row = tokenRow(names, (i) => {
    if (!picked.delete(i)) picked.add(i);
    setFocus({ query: i });
    light([...picked]);
  });
  row.classList.add("pg-lit");
  const light = (queries) => {
    const { mean, sentence } = gazeOf(names, z, queries);
    row.buttons.forEach((node, i) => {
      node.style.setProperty("--weight", mean[i]);
      node.classList.toggle("pg-query", queries.includes(i));
      node.setAttribute("aria-pressed", picked.has(i));
    });
    told.textContent = sentence;
  };
  row.buttons.forEach((node, i) => {
    node.onmouseenter = node.onfocus = () => light([i]);
  });
  row.onmouseleave = () => light([...picked]);
  light([...picked]);
  return [row, told];
}
