// Attention as lines between two columns of words: of the head in focus, or of all heads of its layer.

import { about, button, choice, make, visibleSpaces } from "../../../assets/dom.js";
import { bytesOf } from "../../../assets/files.js";
import { display, focus, onShown, shownHead } from "../../../assets/head_focus.js";
import { describeLines, FAINT, linesOf, MOST_WORDS } from "./attention_lines.js";
import { describeHead } from "./head_facts.js";
import { wordColumns } from "./word_columns.js";

const ABOUT =
  "Left the token that looks, right the tokens it looks at; a line is as thick as the weight. Point at a word, or " +
  "walk with the arrow keys, to see its lines alone; click it to keep them. Weights below " +
  `${FAINT.all} are left out, below ${FAINT.one} where a single word is shown.`;
const THICK = 9; // pixels of a weight of 1
const DASHES = ["", "7 3", "2 2", "9 3 2 3", "1 4"]; // of the heads that share a colour
const SVG = "http://www.w3.org/2000/svg";

/** @param {Pick<import("../../../assets/server.js").View, "element">} view */
export function mount({ element }) {
  const root = element.querySelector(".pg-lines-view");
  const [tools, said, frame] = [make("div", "pg-tools"), make("p", "pg-line-said"), make("div", "pg-lines")];
  const cut = make("p", "pg-note");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true"); // the sentence says it
  const [columns, legend] = [wordColumns(frame, svg, () => show()), headLegend(() => show())];
  said.setAttribute("role", "status");
  let [over, of, numbers, title] = ["head", null, null, ""];

  const draw = () => {
    const { grid } = focus;
    if (of !== grid) {
      [of, numbers] = [grid, bytesOf(grid.weights)];
      columns.fill(grid.tokens.slice(0, MOST_WORDS).map(visibleSpaces));
      cut.textContent = cutOf(grid.tokens.length);
    }
    const [layer, head] = shownHead();
    const isLayer = over === "layer";
    const heads = isLayer ? Array.from({ length: grid.n_head }, (_, i) => layer * grid.n_head + i) : [];
    title = isLayer
      ? `Layer ${layer + 1}, all heads`
      : capital(describeHead(grid, layer * grid.n_head + head, display.basis).label);
    legend.fill(heads, grid, display.basis);
    show();
  };

  const show = () => {
    const { grid } = focus;
    const [layer, head] = shownHead();
    const heads = over === "layer" ? legend.on() : [layer * grid.n_head + head];
    const word = columns.word();
    const lines = linesOf(numbers, grid.tokens.length, columns.names().length, heads, word);
    const styleOf = over === "layer" ? (i) => lineStyle(grid, i % grid.n_head) : () => lineStyle(grid, 0);
    svg.setAttribute("viewBox", `0 0 1 ${columns.names().length}`);
    svg.replaceChildren(...lines.map((line) => drawLine(line, styleOf(line.head))));
    columns.light(lines);
    said.textContent = word ? describeLines(columns.names(), lines, word, heads.length) : title;
  };

  const lined = choice(
    "Lines of",
    [
      ["head", "this head"],
      ["layer", "all heads of its layer"],
    ],
    (chosen) => {
      over = chosen;
      draw();
    },
  );
  tools.append(lined, legend.root, about(ABOUT));
  root.replaceChildren(tools, said, cut, frame);
  onShown(root, draw);
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

const cutOf = (T) =>
  T > MOST_WORDS ? `Only the first ${MOST_WORDS} of ${T} tokens are drawn: more lines could not be told apart.` : "";

/** The colour of the i-th head of a layer, and its dashes where colours come round again. */
const lineStyle = ({ line_colors }, i) => ({
  color: line_colors[i % line_colors.length],
  dash: DASHES[Math.floor(i / line_colors.length) % DASHES.length],
});

function drawLine({ query, key, weight }, { color, dash }) {
  const line = document.createElementNS(SVG, "line");
  const place = { x1: 0, y1: query + 0.5, x2: 1, y2: key + 0.5 };
  const look = { stroke: color, "stroke-width": Math.max(0.6, THICK * weight), "stroke-opacity": 0.3 + 0.6 * weight };
  for (const [name, value] of Object.entries({ ...place, ...look, "vector-effect": "non-scaling-stroke" }))
    line.setAttribute(name, String(value));
  if (dash) line.setAttribute("stroke-dasharray", dash);
  return line;
}

// The heads of a layer as buttons in their colours: a click hides one, another shows it again.
function headLegend(change) {
  const root = make("span", "pg-line-heads");
  let [heads, off] = ["", new Set()];
  const fill = (wanted, grid, basis) => {
    if (heads === String(wanted)) return;
    [heads, off] = [String(wanted), new Set()];
    root.replaceChildren(
      ...wanted.map((i) => {
        const { color, dash } = lineStyle(grid, i % grid.n_head);
        const node = button(String((i % grid.n_head) + 1), () => toggle(node, i), "pg-line-head");
        node.style.setProperty("--line", color);
        node.classList.toggle("pg-dashed", Boolean(dash));
        node.setAttribute("aria-label", `${(i % grid.n_head) + 1}: ${describeHead(grid, i, basis).label}`);
        node.setAttribute("aria-pressed", "true");
        return node;
      }),
    );
  };
  const toggle = (node, i) => {
    if (!off.delete(i)) off.add(i);
    node.setAttribute("aria-pressed", String(!off.has(i)));
    change();
  };
  const on = () => (heads ? heads.split(",").map(Number) : []).filter((i) => !off.has(i));
  return { root, fill, on };
}
