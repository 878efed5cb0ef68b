// The logit lens: what each layer would say next, as a table.

import { colorTable, cssOf, readableOn } from "../../../assets/colors.js";
import { about, button, make, visibleSpaces } from "../../../assets/dom.js";
import { csv, download } from "../../../assets/files.js";
import { focus, focusedText, onFocus } from "../../../assets/head_focus.js";
import { latest } from "../../../assets/server.js";
import { tips } from "../../../assets/tip.js";
import { percent } from "./numbers.js";

const LEGEND = "Bright: sure of it. Framed: what really comes next.";
const ABOUT =
  "Reading the model's state after each layer as if it were the last one shows how a guess ripens. Follow a " +
  "column upwards: where does the word that really comes next (framed) first appear? Point at a cell for its " +
  "five best guesses.";
const HEADS = ["layer", "position", "has read", "says next", "probability", "probability of the real next token"];

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-lens");
  const fetchLens = latest(root);
  let [text, shown] = ["", null];
  tips(root, "[data-cell]", (cell) => {
    const [layer, t] = cell.dataset.cell.split(",").map(Number);
    return cellOf(shown, layer, t).facts;
  });

  onFocus(root, async () => {
    if (text === focusedText()) return; // only another head
    text = focusedText();
    const found = await fetchLens(server.logit_lens({ key: focus.key }));
    if (found) root.replaceChildren(tools(found), lensFrame(found));
    else text = "";
    shown = found;
  });
}

function tools(found) {
  const row = make("div", "pg-tools");
  const save = button("Save (CSV)", () => download("logit-lens.csv", csv([HEADS, ...rowsOf(found)]), "text/csv"));
  row.append(make("span", "pg-note", LEGEND), about(ABOUT), save);
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
      ...tokens.map((_, t) => lensCell(found, layer, t, colors)),
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

function lensCell(found, layer, t, colors) {
  const { says, probability, right } = cellOf(found, layer, t);
  const color = colors[Math.round(255 * probability)];
  const cell = make("td", right ? "pg-right" : "", visibleSpaces(says));
  cell.style.background = cssOf(color);
  cell.style.color = readableOn(color);
  cell.dataset.cell = `${layer},${t}`;
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
  const isLast = t + 1 === tokens.length;
  /** @type {[string, string][]} */
  const facts = guesses.map((word, i) => [visibleSpaces(word), percent(p[i])]);
  if (!isLast) facts.push([`really next: ${visibleSpaces(tokens[t + 1])}`, percent(actual[layer][t])]);
  return {
    says: guesses[0],
    probability: p[0],
    right: guesses[0] === tokens[t + 1],
    facts: /** @type {[string, string][]} */ ([["after", visibleSpaces(tokens[t])], ...facts]),
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
