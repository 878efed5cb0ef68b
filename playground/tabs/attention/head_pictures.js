// Heads as buttons, each with a picture of its weights and a mark of what it does.

import { button, make } from "../../../assets/dom.js";
import { colorTable } from "../../../assets/colors.js";
import { bytesOf } from "../../../assets/files.js";
import { tips } from "../../../assets/tip.js";
import { describeHead } from "./head_facts.js";
import { trianglePixels } from "./triangle.js";
import { ownMaximum, scaledColors } from "./weight_colors.js";

/**
 * The i-th triangle of `bytes` on a canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} bytes
 * @param {number} i
 * @param {number} T
 * @param {Uint32Array} colors
 */
export function paintHead(canvas, bytes, i, T, colors) {
  if (canvas.width !== T || canvas.height !== T) canvas.width = canvas.height = T;
  const pixels = new Uint8ClampedArray(trianglePixels(bytes, i, T, colors).buffer);
  canvas.getContext("2d").putImageData(new ImageData(pixels, T, T), 0, 0);
}

/**
 * Buttons for all heads, layer after layer.
 * @param {{n_layer: number, n_head: number}} shape
 * @param {(layer: number, head: number) => unknown} choose what a click does
 */
export function headButtons({ n_layer, n_head }, choose) {
  return Array.from({ length: n_layer * n_head }, (_, i) => {
    const [layer, head] = [Math.floor(i / n_head), i % n_head];
    const node = button("", () => choose(layer, head), "pg-head");
    node.dataset.head = `${layer},${head}`;
    node.setAttribute("aria-label", `layer ${layer + 1}, head ${head + 1}`);
    node.append(make("canvas"), make("span", "pg-tag"));
    return node;
  });
}

/**
 * @param {HTMLElement[]} buttons
 * @param {string} weights base64 of all triangles
 * @param {number} T
 * @param {string[]} scale of colours
 * @param {import("./weight_colors.js").Scaling} [scaling]
 */
export function paintHeads(buttons, weights, T, scale, scaling = "linear") {
  const [bytes, colors] = [bytesOf(weights), colorTable(scale)];
  buttons.forEach((node, i) => {
    const own = scaledColors(colors, scaling, () => ownMaximum(bytes, i, T));
    paintHead(/** @type {any} */ (node.firstChild), bytes, i, T, own);
  });
}

/**
 * Tell what is known of each head, to those who see, point or listen.
 * @param {HTMLElement[]} buttons
 * @param {import("./head_facts.js").Heads} value
 * @param {"text" | "test"} basis
 */
export function labelHeads(buttons, value, basis) {
  buttons.forEach((node, i) => {
    const { name, label, facts, mark } = describeHead(value, i, basis);
    setMark(node.querySelector(".pg-tag"), mark);
    factsOf.set(node, facts);
    node.setAttribute("aria-label", label);
    node.dataset.name = name;
  });
}

/**
 * Make a tag show the mark, or nothing.
 * @param {HTMLElement} tag
 * @param {{letter: string, color: string, ink: string} | null} mark
 */
export function setMark(tag, mark) {
  tag.textContent = mark?.letter ?? "";
  tag.style.setProperty("--mark", mark?.color ?? "");
  tag.style.setProperty("--ink", mark?.ink ?? "");
}

/** What the tip of each head says. @type {WeakMap<HTMLElement, [string, string][]>} */
const factsOf = new WeakMap();

/** Explain the heads in `root` to those who point at them. @param {HTMLElement} root */
export const headTips = (root) => tips(root, ".pg-head", (node) => factsOf.get(node) ?? []);

/**
 * Put heads into a grid: a row a layer, or in any other order with their captions below. Returns them as they stand.
 * @param {HTMLElement} grid
 * @param {HTMLElement[]} buttons
 * @param {{n_head: number}} shape
 * @param {number[] | null} [order]
 */
export function arrange(grid, buttons, { n_head }, order = null) {
  grid.className = `pg-heads${order ? " pg-sorted" : ""}${n_head > 8 ? " pg-many" : ""}`;
  grid.style.setProperty("--heads", String(n_head));
  grid.style.setProperty("--layers", String(Math.ceil(buttons.length / n_head)));
  const placed = order ? order.map((i) => buttons[i]) : buttons;
  grid.replaceChildren(...(order ? placed : inLayers(placed, n_head)));
  return placed;
}

/**
 * Cells of all heads with the name of its layer before each row.
 * @param {HTMLElement[]} cells
 * @param {number} n_head
 */
export const inLayers = (cells, n_head) =>
  cells.flatMap((cell, i) => (i % n_head ? [cell] : [make("span", "pg-layer", `layer ${i / n_head + 1}`), cell]));
