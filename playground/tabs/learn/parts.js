// What a lesson shows: figures, plots, tables, texts, tokens and heads, as the tabs draw them.

import { colorTable } from "../../../assets/colors.js";
import { facts, make, table, visibleSpaces } from "../../../assets/dom.js";
import { draw } from "../../../assets/plots.js";
import { chip, fill, passage, spacedHex, visible } from "../../../assets/tokens.js";
import { paintHead } from "../attention/head_pictures.js";
import { keyEdit } from "./key_edit.js";

/** @type {Record<string, (part: any, body: any) => void>} */
const DRAWN = {
  facts: ({ pairs }, body) => body.append(facts(pairs)),
  plot: ({ data, layout }, body) => {
    const plot = make("div", "pg-plot");
    body.append(plot);
    requestAnimationFrame(() => draw(plot, data, layout)); // once it has its width
  },
  table: ({ columns, rows }, body) => {
    const around = make("div", "pg-table-around");
    around.tabIndex = 0;
    around.setAttribute("role", "group");
    const drawn = table(columns, rows);
    const lines = [...drawn.rows];
    columns.forEach((_, i) => isWords(rows, i) && lines.forEach((line) => line.cells[i].classList.add("pg-words")));
    around.append(drawn);
    body.append(around);
  },
  texts: ({ texts }, body) => {
    const both = make("div", "pg-lesson-texts");
    for (const [heading, text] of texts) {
      const one = make("div");
      one.append(make("h5", "", heading), make("blockquote", "pg-quoted", text));
      both.append(one);
    }
    body.append(both);
  },
  tokens: drawTokens,
  head: drawHead,
  keys: (part, body) => body.append(keyEdit(part)),
};

// Whether a column holds words: no cell of it begins as a number does.
const isWords = (rows, i) => !rows.some((cells) => /^[-+]?\d/.test(cells[i]));

/** A part of playground/tabs/learn/lesson.py, by its `kind`. @param {any} part @returns {HTMLElement} */
export function drawPart(part) {
  const root = make("section", `pg-lesson-part pg-lesson-${part.kind}`);
  if (part.title) root.append(make("h4", "", part.title));
  DRAWN[part.kind](part, root);
  return root;
}

function drawTokens({ title, tokens, counts }, body) {
  /** @returns {[string, string | number][]} */
  const describe = (i) => {
    const [hex, id] = tokens[i];
    /** @type {[string, string | number][]} */
    const known = [
      ["token", visibleSpaces(visible(hex).text)],
      ["id", id],
      ["bytes", spacedHex(hex)],
    ];
    return counts ? [...known, ["counts in the loss", counts[i] ? "yes" : "no"]] : known;
  };
  const row = passage(title, describe, () => {});
  const chips = tokens.map(([hex], i) => {
    const node = chip(hex, i % 5, true);
    if (counts && !counts[i]) node.classList.add("pg-unlearned");
    return node;
  });
  fill(
    row,
    chips,
    tokens.map(([hex]) => hex),
  );
  body.append(row);
}

// A head's picture, with the row that matters in words.
function drawHead({ tokens, weights, query, colors }, body) {
  const canvas = make("canvas", "pg-lesson-head-picture");
  const bytes = Uint8Array.from(
    weights.flatMap((row, i) => row.slice(0, i + 1).map((weight) => Math.round(255 * weight))),
  );
  paintHead(canvas, bytes, 0, tokens.length, colorTable(colors));
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Rows are tokens that look, columns those that they look at; brighter is more.");
  body.append(canvas);
  if (query === null) return;
  const names = tokens.map(visibleSpaces);
  const best = weights[query].map((weight, i) => ({ weight, i })).sort((a, b) => b.weight - a.weight);
  const said = best.slice(0, 3).map(({ weight, i }) => `“${names[i]}” ${weight.toFixed(2)}`);
  body.append(make("p", "pg-note", `“${names[query]}” (row ${query + 1}) looks at ${said.join(", ")}.`));
}
