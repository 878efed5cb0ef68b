// A cell for each head: whether it is switched off, and how the loss changes without it.

import { button, make } from "../../../assets/dom.js";
import { tips } from "../../../assets/tip.js";
import { inLayers } from "./head_pictures.js";
import { decimal, signedColor } from "./numbers.js";

const DARK = -0.6; // of the largest change: below it the blue is so strong that only white can be read on it

/**
 * @param {Uint32Array} colors from better to worse without the head
 * @param {(head: string) => unknown} toggle is told which head was clicked, as "layer,head"
 */
export function lossMap(colors, toggle) {
  const root = make("div");
  let cells = [];
  /** @type {Map<HTMLElement, number>} */
  const changes = new Map();
  tips(root, ".pg-cell", (cell) => {
    const place = [cell.getAttribute("aria-label"), cell.getAttribute("aria-pressed") === "true" ? "off" : "on"];
    const change = changes.get(cell);
    const measured = change === undefined ? [] : [["nats a token without it", signed(change)]];
    return /** @type {any} */ ([place, ...measured]);
  });

  const layOut = (n_layer, n_head) => {
    root.className = "pg-heads";
    root.style.setProperty("--heads", n_head);
    cells = Array.from({ length: n_layer * n_head }, (_, i) => {
      const [layer, head] = [Math.floor(i / n_head), i % n_head];
      const cell = button("", () => toggle(cell.dataset.head), "pg-cell");
      cell.dataset.head = `${layer},${head}`;
      cell.setAttribute("aria-label", `layer ${layer + 1}, head ${head + 1}`);
      return cell;
    });
    root.replaceChildren(...inLayers(cells, n_head));
  };

  const paint = (measured) => {
    const largest = Math.max(...measured.map(([, , change]) => Math.abs(change)));
    measured.forEach(([, , change], i) => {
      cells[i].style.background = signedColor(colors, change, largest);
      cells[i].textContent = decimal(change, 2);
      cells[i].style.color = change < DARK * largest ? "#fff" : "#111";
      changes.set(cells[i], change);
    });
  };

  const clear = () => {
    changes.clear();
    for (const cell of cells) [cell.style.background, cell.textContent] = ["", ""];
  };

  const press = (off) => cells.forEach((cell) => cell.setAttribute("aria-pressed", off.has(cell.dataset.head)));
  return { root, layOut, paint, clear, press };
}

const signed = (change) => `${change > 0 ? "+" : ""}${decimal(change, 4)}`;

/**
 * What a measurement found.
 * @param {[number, number, number][]} measured [layer, head, change of the loss without it]
 * @param {boolean} stopped before all were measured
 */
export function summaryOf(measured, stopped) {
  const [layer, head, change] = measured.reduce((a, b) => (b[2] > a[2] ? b : a));
  const meaning = "Change of the loss in nats a token: orange is worse without the head, blue better.";
  return `${stopped ? "Stopped. " : ""}${meaning} Most missed: layer ${layer}, head ${head} (+${change.toFixed(3)}).`;
}
