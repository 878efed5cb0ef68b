// The family tree, from vocabularies on the left to aligned models on the right.

import { button, make } from "../../../assets/dom.js";

const SVG = "http://www.w3.org/2000/svg";
const NOT_HERE = { gone: "not here any more", elsewhere: "imported from elsewhere" };
const [WIDTH, HEIGHT, ACROSS, DOWN] = [168, 46, 60, 14]; // of a node, and the gaps between nodes; pixels

/**
 * @typedef {{id: string, name: string, kind: string, here: boolean}} Node
 * @typedef {{from: string, to: string, role: string}} Edge
 * @typedef {{nodes: Node[], edges: Edge[]}} Family
 */

/**
 * How many steps each node is from its farthest ancestor; a circle, which a damaged card may claim, is cut.
 * @param {Family} family
 * @returns {Map<string, number>}
 */
export function depths({ nodes, edges }) {
  const above = new Map(nodes.map(({ id }) => [id, []]));
  for (const { from, to } of edges) above.get(to)?.push(from);
  const depth = new Map();
  const find = (id, path) => {
    if (depth.has(id)) return depth.get(id);
    if (path.has(id)) return 0;
    const parents = above.get(id).filter((parent) => above.has(parent));
    const found = Math.max(0, ...parents.map((parent) => 1 + find(parent, new Set([...path, id]))));
    depth.set(id, found);
    return found;
  };
  nodes.forEach(({ id }) => find(id, new Set()));
  return depth;
}

/**
 * {id: {column, row}}: a column a depth; in it, nodes stand beside their parents as far as there is room.
 * @param {Family} family
 * @returns {Map<string, {column: number, row: number}>}
 */
export function placesOf({ nodes, edges }) {
  const depth = depths({ nodes, edges });
  const columns = [];
  for (const node of nodes) (columns[depth.get(node.id)] ??= []).push(node);
  const place = new Map();
  // The middle of its parents; those without any stand below the others.
  const wanted = (id) => {
    const rows = edges.filter(({ to, from }) => to === id && place.has(from)).map(({ from }) => place.get(from).row);
    return rows.length ? rows.reduce((a, b) => a + b) / rows.length : Infinity;
  };
  const byPlace = (a, b) => {
    const [one, other] = [wanted(a.id), wanted(b.id)];
    return one === other ? a.name.localeCompare(b.name) : one - other;
  };
  columns.forEach((nodesOfColumn, column) => {
    let row = 0;
    for (const { id } of nodesOfColumn.toSorted(byPlace)) {
      const near = wanted(id);
      row = Math.max(row, near < Infinity ? Math.floor(near) : row);
      place.set(id, { column, row: row++ });
    }
  });
  return place;
}

const pixels = ({ column, row }) => ({ x: column * (WIDTH + ACROSS), y: row * (HEIGHT + DOWN) });

function curve(a, b, role) {
  const path = document.createElementNS(SVG, "path");
  const [from, to] = [
    { x: a.x + WIDTH, y: a.y + HEIGHT / 2 },
    { x: b.x, y: b.y + HEIGHT / 2 },
  ];
  const bend = Math.max(20, (to.x - from.x) / 2);
  path.setAttribute("d", `M${from.x},${from.y} C${from.x + bend},${from.y} ${to.x - bend},${to.y} ${to.x},${to.y}`);
  path.setAttribute("class", `pg-family-line${role === "reward model" ? " pg-family-judge" : ""}`);
  const title = document.createElementNS(SVG, "title");
  title.textContent = role;
  path.append(title);
  return path;
}

function lines(edges, place, size) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", size.width);
  svg.setAttribute("height", size.height);
  svg.setAttribute("aria-hidden", "true");
  for (const { from, to, role } of edges)
    if (place.has(from) && place.has(to)) svg.append(curve(place.get(from), place.get(to), role));
  return svg;
}

function nodeButton({ id, name, kind, here }, { x, y }, isChosen, choose) {
  const node = button("", () => choose(name), "pg-button pg-family-node");
  node.dataset.kind = kind;
  node.dataset.key = `tree-${id}`;
  const about = NOT_HERE[kind] ?? kind;
  node.append(make("span", "pg-family-name", name), make("span", "pg-family-kind", about));
  node.title = name;
  node.disabled = !here;
  node.setAttribute("aria-pressed", String(isChosen && here));
  Object.assign(node.style, { left: `${x}px`, top: `${y}px`, width: `${WIDTH}px`, height: `${HEIGHT}px` });
  return node;
}

/**
 * @param {Family} family
 * @param {string} chosen
 * @param {(name: string) => unknown} choose
 */
export function familyTree(family, chosen, choose) {
  const place = new Map([...placesOf(family)].map(([id, at]) => [id, pixels(at)]));
  const size = { width: 0, height: 0 };
  for (const { x, y } of place.values()) {
    size.width = Math.max(size.width, x + WIDTH);
    size.height = Math.max(size.height, y + HEIGHT);
  }
  const [frame, paper] = [make("div", "pg-family"), make("div", "pg-family-paper")];
  Object.assign(paper.style, { width: `${size.width}px`, height: `${size.height}px` });
  paper.append(lines(family.edges, place, size));
  paper.append(...family.nodes.map((node) => nodeButton(node, place.get(node.id), node.name === chosen, choose)));
  frame.append(paper);
  return frame;
}
