// The logit lens: what each layer would say next, as a table.

import { colorTable, cssOf, readableOn } from "../../../assets/colors.js";
import { button, make, visibleSpaces } from "../../../assets/dom.js";
import { csv, download } from "../../../assets/files.js";
import { focus, focusedText, onFocus } from "../../../assets/head_focus.js";
import { latest } from "../../../assets/server.js";

const LEGEND =
  "Bright cells are sure of what they say; a frame marks what really comes next. Point at a cell for its five best " +
  "guesses.";
const HEADS = ["layer", "position", "has read", "says next", "probability", "probability of the real next token"];

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-lens");
  const fetchLens = latest(root);
  let text = "";

  onFocus(root, async () => {
    if (text === focusedText()) return; // only another head
    text = focusedText();
    const found = await fetchLens(server.logit_lens({ key: focus.key }));
    if (found) root.replaceChildren(lensFrame(found), tools(found));
    else text = "";
  });
}

function tools(found) {
  const row = make("div", "pg-tools");
  const save = button("Lens, CSV", () => download("logit-lens.csv", csv([HEADS, ...rowsOf(found)]), "text/csv"));
  row.append(save, make("span", "pg-note", LEGEND));
  return row;
}

function lensFrame(found) {
  const { tokens, best } = found;
  const colors = colorTable(found.scale);
  const table = make("table", "pg-lens-table");
  for (let layer = best.length - 1; layer >= 0; layer--) {
    const line = make("tr");
    line.append(
      make("th", "", layer ? `after layer ${layer}` : "embedding"),
      ...tokens.map((_, t) => lensCell(cellOf(found, layer, t), colors)),
    );
    table.append(line);
  }
  const feet = make("tr", "pg-read");
  feet.append(make("th", "", "has read"), ...tokens.map((token) => make("td", "", visibleSpaces(token))));
  table.append(feet);
  const frame = make("div", "pg-scroll");
  frame.tabIndex = 0;
  frame.append(table);
  return frame;
}

function lensCell({ says, probability, right, title }, colors) {
  const color = colors[Math.round(255 * probability)];
  const cell = make("td", right ? "pg-right" : "", visibleSpaces(says));
  cell.style.background = cssOf(color);
  cell.style.color = readableOn(color);
  cell.title = title;
  cell.tabIndex = -1;
  return cell;
}

/**
 * What a layer would say after the t-th token, and whether that is what comes.
 * @param {any} found what Python sent
 * @param {number} layer 0: the embedding
 * @param {number} t
 */
export function cellOf({ tokens, best, probabilities, actual }, layer, t) {
  const [guesses, p] = [best[layer][t], probabilities[layer][t]];
  const quoted = (/** @type {string} */ token) => `«${visibleSpaces(token)}»`;
  const isLast = t + 1 === tokens.length;
  const title = [`after ${quoted(tokens[t])}:`, ...guesses.map((word, i) => `${quoted(word)} ${p[i].toFixed(3)}`)];
  if (!isLast) title.push(`really next: ${quoted(tokens[t + 1])} ${actual[layer][t].toFixed(3)}`);
  return {
    says: guesses[0],
    probability: p[0],
    right: guesses[0] === tokens[t + 1],
    title: title.join("\n"),
  };
}

/**
 * All cells as lines of a table, see HEADS.
 * @param {any} found what Python sent
 * @returns {any[][]}
 */
export const rowsOf = ({ tokens, best, probabilities, actual }) =>
  best.flatMap((row, layer) =>
    row.map((guesses, t) => [layer, t, tokens[t], guesses[0], probabilities[layer][t][0], actual[layer][t] ?? ""]),
  );
