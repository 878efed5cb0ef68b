// The head in focus: its weights as a large picture, and the text on which its gaze lights up.

import { choice, make } from "../../../assets/dom.js";
import { focus, onFocus, setFocus } from "../../../assets/head_focus.js";
import { latest } from "../../../assets/server.js";
import { gazeOf } from "./gaze.js";
import { drawMatrix } from "./matrix.js";
import { tokenRow } from "./token_row.js";

/**
 * @param {import("../../../assets/server.js").View["server"]} server
 * @returns {{root: HTMLElement, plot: HTMLElement, figure: () => any}} `figure` is what is drawn
 */
export function focusedHead(server) {
  const [root, plot, words] = [make("div", "pg-focus-side"), make("div", "pg-focus"), make("div", "pg-words")];
  const fetchFigure = latest(plot);
  const picked = new Set();
  let [over, figure, drawn, text] = ["head", null, "", ""];

  const draw = async () => {
    const { key, layer, head } = focus;
    const found = await fetchFigure(server.focus_head({ key, layer, head, over }));
    if (!found || !root.isConnected) return;
    figure = found;
    words.replaceChildren(...litWords(figure, picked));
    await drawMatrix(plot, figure);
  };

  const tools = make("div", "pg-tools");
  tools.append(
    choice(
      "Large picture",
      [
        ["head", "one head"],
        ["layer", "mean of its layer"],
        ["all", "mean of all heads"],
      ],
      (chosen) => {
        over = chosen;
        draw();
      },
    ),
  );
  root.append(tools, plot, words);

  onFocus(root, () => {
    const { key, layer, head } = focus;
    const wanted = JSON.stringify([key, layer, head]);
    if (drawn === wanted) return; // only the query changed
    if (text !== JSON.stringify(key)) picked.clear();
    [drawn, text] = [wanted, JSON.stringify(key)];
    draw();
  });
  return { root, plot, figure: () => figure };
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
