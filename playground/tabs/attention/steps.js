// From q and k to weights, with the numbers of the forward pass.

import { colorTable } from "../../../assets/colors.js";
import { about, button, headCell, make, visibleSpaces } from "../../../assets/dom.js";
import { focus, focusedName, onFocus, setFocus } from "../../../assets/head_focus.js";
import { latest } from "../../../assets/server.js";
import { tips } from "../../../assets/tip.js";
import { decimal, signedColor } from "./numbers.js";
import { tokenRow } from "./token_row.js";

const ABOUT =
  "A token asks with its query q, every earlier token answers with its key k; their product decides the weight. " +
  "Choose a token, then follow one row from left to right; click a key to see its product, number by number.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  const root = element.querySelector(".pg-steps");
  const colors = colorTable(props.diverging);
  const fetchSteps = latest(root);
  tips(root, "[data-number]", (cell) => [[cell.dataset.dimension, cell.dataset.number]]);

  onFocus(root, async () => {
    const { key, layer, head, query } = focus;
    const found = await fetchSteps(server.head_steps({ key, layer, head, query }));
    if (found) draw(found, found.weights.indexOf(Math.max(...found.weights)));
  });

  // `key` is the position whose product with the query is shown: the strongest one, until another is clicked.
  function draw(found, key) {
    const names = found.tokens.map(visibleSpaces);
    const row = tokenRow(found.tokens, (i) => setFocus({ query: i }));
    row.buttons.forEach((node, i) => node.setAttribute("aria-pressed", i === found.query));
    const frame = make("div", "pg-scroll");
    frame.append(scoreTable(found, names, key, (i) => draw(found, i)));
    const both = make("div", "pg-two");
    both.append(frame, productDetail(found, names, key, colors));
    const scrolled = root.querySelector(".pg-scroll")?.scrollTop ?? 0;
    const title = make("h3", "", `Query “${names[found.query]}” in ${focusedName()} `);
    title.append(about(ABOUT));
    root.replaceChildren(title, row, both);
    frame.scrollTop = scrolled;
  }
}

// What scores are divided by; only a model that was trained so has another number than √d_k.
function divisor(scale, d_k) {
  const by = (1 / scale).toFixed(2);
  return by === Math.sqrt(d_k).toFixed(2) ? `${by} (√d_k)` : by;
}

// A row a key: its score on the way to a weight.
function scoreTable({ query, q, raw, scaled, masked, weights, scale }, names, key, choose) {
  const table = make("table", "pg-table");
  const head = make("tr");
  const titles = ["key", "raw score q · k", `÷ ${divisor(scale, q.length)}`, "masked", "softmax: weight", ""];
  head.append(...titles.map((title) => headCell(title)));
  table.append(head);
  const largest = Math.max(...weights); // the longest bar fills its column
  names.forEach((token, i) => {
    const line = make("tr", i > query ? "pg-future" : "");
    const bar = make("td", "pg-bar");
    bar.style.setProperty("--weight", weights[i] / largest);
    const name = make("td");
    const pick = button(token, () => choose(i), "pg-token");
    pick.setAttribute("aria-pressed", String(i === key));
    pick.disabled = i > query;
    name.append(pick);
    const values = [decimal(raw[i]), decimal(scaled[i]), decimal(masked[i]), decimal(weights[i], 4)];
    line.append(name, ...values.map((text) => make("td", "", text)), bar);
    table.append(line);
  });
  return table;
}

// The product of the query and one key, number by number, and what comes of it.
function productDetail({ query, q, k, v, raw, scaled, weights, output, scale }, names, key, colors) {
  const product = q.map((value, d) => value * k[key][d]);
  const said = `The product of “${names[query]}” (query) and “${names[key]}” (key), dimension by dimension`;
  const divided = `Divided by ${divisor(scale, q.length)}: ${decimal(scaled[key])}.`;
  const detail = make("div", "pg-strips");
  detail.append(
    make("p", "", `${said}, d_k = ${q.length}:`),
    strip("q", q, colors),
    strip("k", k[key], colors),
    strip("q × k", product, colors, `sum = ${decimal(raw[key])}, the raw score`),
    make("p", "", `${divided} After the softmax over all visible keys: ${decimal(weights[key], 4)}.`),
    strip("v", v[key], colors),
    strip("output", output, colors, `Σ weight × v over all ${query + 1} visible tokens`),
  );
  return detail;
}

// A vector as a strip of coloured cells: orange above zero, blue below, the number on hover.
function strip(label, numbers, colors, total = "") {
  const row = make("div", "pg-strip");
  const largest = Math.max(...numbers.map(Math.abs));
  const cells = make("div", "pg-cells");
  numbers.forEach((value, d) => {
    const cell = make("span");
    cell.style.background = signedColor(colors, value, largest);
    Object.assign(cell.dataset, { dimension: `dimension ${d + 1}`, number: decimal(value, 4) });
    cells.append(cell);
  });
  row.append(make("span", "pg-strip-name", label), cells);
  if (total) row.append(make("span", "pg-strip-total", total));
  return row;
}
