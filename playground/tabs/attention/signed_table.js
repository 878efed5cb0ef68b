// A table of numbers above and below zero, each a coloured cell: orange above, blue below.

import { colorTable, readableOn } from "../../../assets/colors.js";
import { make } from "../../../assets/dom.js";
import { tips } from "../../../assets/tip.js";
import { placeOnScale, signedColor } from "./numbers.js";

/**
 * A cell: its number, what it shows, what its tip says, and the head that it belongs to, as "layer,head".
 * @typedef {{value: number, text: string, facts: [string, string][], head?: string}} Cell
 * @typedef {{name: string, cells: Cell[]}} Row
 * @typedef {{name: string, isToken?: boolean, isMarked?: boolean}} Column a token's name stands upright
 */

/**
 * @param {string[]} scale of colours from less to more
 * @param {(head: string) => unknown} choose what a click on a head's cell does
 */
export function signedTable(scale, choose) {
  const colors = colorTable(scale);
  const [root, table] = [make("div", "pg-scroll pg-signed"), make("table")];
  root.append(table);
  /** @type {WeakMap<Element, Cell>} */
  const cellOf = new WeakMap();
  tips(root, ".pg-signed-cell", (node) => cellOf.get(node)?.facts ?? []);
  walkable(root);

  const cellPlace = (cell, largest) => {
    const place = make("td");
    const node = cellNode(cell, choose);
    node.style.background = signedColor(colors, cell.value, largest);
    node.style.color = readableOn(colors[placeOnScale(cell.value, largest)]);
    cellOf.set(node, cell);
    place.append(node);
    return place;
  };

  /** @param {Column[]} columns @param {Row[]} rows @param {number} largest the number of the strongest colour */
  const draw = (columns, rows, largest) => {
    const head = make("tr");
    head.append(make("td"), ...columns.map(columnHead));
    const lines = rows.map(({ name, cells }) => {
      const line = make("tr");
      const title = Object.assign(make("th", "", name), { scope: "row" });
      line.append(title, ...cells.map((cell) => cellPlace(cell, largest)));
      return line;
    });
    table.replaceChildren(head, ...lines);
    const first = /** @type {HTMLElement | null} */ (root.querySelector(".pg-signed-cell"));
    if (first) first.tabIndex = 0;
  };

  /** Mark the head in focus. @param {string} head */
  const press = (head) => {
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-head]")))
      node.setAttribute("aria-pressed", String(node.dataset.head === head));
  };
  return { root, draw, press };
}

function cellNode({ text, facts, head }, choose) {
  const node = make(head ? "button" : "span", "pg-signed-cell", text);
  node.tabIndex = -1;
  node.setAttribute("aria-label", facts.map((fact) => fact.join(" ")).join(", "));
  if (head) {
    Object.assign(node, { type: "button", onclick: () => choose(head) });
    node.dataset.head = head;
  } else node.setAttribute("role", "img");
  return node;
}

function columnHead({ name, isToken, isMarked }) {
  const node = Object.assign(make("th"), { scope: "col" });
  node.append(make("span", `${isToken ? "pg-upright" : ""} ${isMarked ? "pg-differs" : ""}`.trim(), name));
  return node;
}

/** The table is one stop of the Tab key, in which the arrow keys move. @param {HTMLElement} root */
function walkable(root) {
  /** @type {(from: ParentNode, selector: string) => HTMLElement[]} */
  const all = (from, selector) => [...from.querySelectorAll(selector)].map((node) => /** @type {HTMLElement} */ (node));
  root.addEventListener("keydown", (event) => {
    const place = /** @type {HTMLElement} */ (event.target).closest("td");
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!place || !step) return;
    const line = /** @type {HTMLTableRowElement} */ (place.parentElement);
    const lines = /** @type {HTMLTableElement} */ (line.closest("table")).rows;
    const target = lines[line.rowIndex + step[1]]?.cells[place.cellIndex + step[0]];
    const [next] = target ? all(target, ".pg-signed-cell") : [];
    if (!next) return;
    event.preventDefault();
    for (const node of all(root, ".pg-signed-cell")) node.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

/**
 * What the colours mean.
 * @param {string[]} scale
 * @param {[string, string, string]} ends what stands at its left, in its middle and at its right
 * @param {string} unit
 */
export function signedLegend(scale, ends, unit) {
  const [root, bar] = [make("div", "pg-signed-legend"), make("span", "pg-signed-bar")];
  bar.style.background = `linear-gradient(to right, ${scale.join(", ")})`;
  const places = make("span", "pg-signed-ends");
  places.append(...ends.map((end) => make("span", "", end)));
  const frame = make("span", "pg-signed-scale");
  frame.append(bar, places);
  root.append(frame, make("span", "pg-note", unit));
  return root;
}
