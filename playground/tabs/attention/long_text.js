// Attention on a long text: one head's weights as a picture to zoom into.

import { colorTable, cssOf } from "../../../assets/colors.js";
import { about, button, make, number, visibleSpaces } from "../../../assets/dom.js";
import { bytesOf } from "../../../assets/files.js";
import { display, focus, onShown, shownHead } from "../../../assets/head_focus.js";
import { latest } from "../../../assets/server.js";
import { bigPicture } from "./big_picture.js";
import { triangleRow } from "./triangle.js";
import { ownMaximum, scaledColors } from "./weight_colors.js";

const ABOUT =
  "The other parts read the first 128 tokens; this one reads on, up to the model's context. Each pixel is a pair of " +
  "tokens, its weight rounded to 1/255. Point at one, or walk with the arrow keys (with Shift by ten tokens), to " +
  "read it; plus and minus, or a double click, zoom. In a long text most weights are small: choose square root at " +
  "Colours to see them.";
const SAMPLES = 16; // colours of the legend
const MOST_CHARACTERS = 40_000; // more are not sent

/** @param {Pick<import("../../../assets/server.js").View, "element" | "server">} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-long");
  const [state, said, legend] = [make("p", "pg-note"), make("p", "pg-long-said"), make("div", "pg-long-legend")];
  const problem = make("div");
  said.setAttribute("role", "status");
  const [fetchText, fetchHead] = [latest(problem), latest(problem)];
  let [read, bytes] = [null, null]; // what Python sent: of the text, and of the head
  const tell = (query, key) => (said.textContent = describeWeight(read.tokens, bytes, query, key));
  const picture = bigPicture((query, key) => bytes && tell(query, key)); // the next text may be read already
  const tools = make("div", "pg-tools");
  tools.append(
    button("−", () => picture.zoom(0.5)),
    button("+", () => picture.zoom(2)),
    button("Whole", () => picture.zoom(0)),
    legend,
    about(ABOUT),
  );
  ["zoom out", "zoom in"].forEach((name, i) => tools.children[i].setAttribute("aria-label", name));
  root.replaceChildren(tools, problem, state, said, picture.root);

  const paint = () => {
    const T = read.tokens.length;
    const colors = scaledColors(colorTable(read.scale), display.scaling, () => ownMaximum(bytes, 0, T));
    picture.paint(bytes, T, colors);
    legend.replaceChildren("weight 0 ", legendBar(colors), " 1");
  };

  const drawHead = async (asked) => {
    const [of, [layer, head]] = [read, shownHead()];
    const found = await fetchHead(server.long_head({ ...asked, layer, head }));
    if (!found || of !== read) return;
    problem.replaceChildren();
    bytes = bytesOf(found.weights);
    paint();
    state.textContent = stateOf(read, layer, head);
    root.dataset.drawn = `${layer},${head},${read.tokens.length}`;
  };

  const readText = async (asked) => {
    state.textContent = "Reading the text …";
    [read, bytes] = [null, null];
    const found = await fetchText(server.read_long(asked));
    if (found === null) state.textContent = "";
    if (!found) return;
    read = found;
    await drawHead(asked);
  };

  let [place, head, scaling] = ["", "", display.scaling];
  onShown(root, () => {
    const asked = { model: focus.key.model, text: [...focus.text.toWellFormed()].slice(0, MOST_CHARACTERS).join("") };
    const now = [JSON.stringify(asked), String(shownHead()), display.scaling];
    if (place !== now[0]) readText(asked);
    else if (read && head !== now[1]) drawHead(asked);
    else if (bytes && scaling !== now[2]) paint();
    [place, head, scaling] = /** @type {any} */ (now);
  });
}

const stateOf = ({ tokens, cut, seconds }, layer, head) =>
  `${cut} Layer ${layer + 1}, head ${head + 1} on ${number(tokens.length)} tokens; forward pass ` +
  `${number(Math.round(seconds * 1000))} ms.`;

/** The colours from 0 to 1. @param {Uint32Array} colors */
function legendBar(colors) {
  const bar = make("span", "pg-long-colors");
  const stops = Array.from({ length: SAMPLES }, (_, i) => cssOf(colors[Math.round((255 * i) / (SAMPLES - 1))]));
  bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  return bar;
}

/**
 * One weight in words.
 * @param {string[]} tokens
 * @param {Uint8Array} bytes the weights as a triangle, 255 being 1
 * @param {number} query
 * @param {number} key
 */
export function describeWeight(tokens, bytes, query, key) {
  const name = (i) => `token ${number(i + 1)} “${visibleSpaces(tokens[i])}”`;
  const looker = name(query);
  if (key > query) return `T${looker.slice(1)} cannot see ${name(key)}, which comes later.`;
  const byte = triangleRow(bytes, 0, query, tokens.length)[key];
  return `T${looker.slice(1)} looks at ${name(key)}: weight ${byte ? (byte / 255).toFixed(3) : "below 0.002"}.`;
}
