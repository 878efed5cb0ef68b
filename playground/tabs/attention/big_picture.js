// A large square picture, a row for each token that looks and a column for each token it looks at: one canvas that is
// zoomed and scrolled, with rulers, walked through by mouse or keyboard.

import { make, number } from "../../../assets/dom.js";
import { paintHead } from "./head_pictures.js";

const MOST_ZOOM = 24; // pixels of a cell
const BETWEEN = 56; // pixels between two marks of a ruler, at least
const FAR = 10; // cells of a step with Shift

/** @param {(query: number, key: number) => unknown} told is called with the cell that is pointed at */
export function bigPicture(told) {
  const { root, frame, columns, rows, canvas, cursor } = partsOf();
  let [T, cell, query, key, isWhole] = [0, 1, 0, 0, true];

  const room = () => [frame.clientHeight - columns.offsetHeight, frame.clientWidth - rows.offsetWidth];
  const whole = () => Math.max(0.05, (Math.min(...room()) - 1) / Math.max(1, T));

  const layOut = () => {
    frame.style.setProperty("--size", `${T * cell}px`);
    canvas.classList.toggle("pg-big-pixels", cell >= 1);
    for (const [ruler, side] of /** @type {[HTMLElement, "left" | "top"][]} */ ([
      [columns, "left"],
      [rows, "top"],
    ]))
      ruler.replaceChildren(
        ...marksOf(T, cell).map((i) => {
          const mark = make("span", "", number(i));
          mark.style[side] = `${(i - 0.5) * cell}px`;
          return mark;
        }),
      );
    placeCursor();
  };

  const placeCursor = () => {
    const size = Math.max(7, cell);
    const begin = (i) => `${(i + 0.5) * cell - size / 2}px`;
    Object.assign(cursor.style, { left: begin(key), top: begin(query), width: `${size}px`, height: `${size}px` });
  };

  const choose = (toQuery, toKey) => {
    [query, key] = [toQuery, toKey].map((i) => Math.max(0, Math.min(T - 1, i)));
    placeCursor();
    told(query, key);
  };

  // What of the sheet can be seen begins at these pixels.
  const begins = () => [frame.scrollTop, frame.scrollLeft];
  const middle = () => begins().map((from, axis) => (from + room()[axis] / 2) / cell);
  const centre = (/** @type {number[]} */ place) => {
    const [top, left] = place.map((at, axis) => at * cell - room()[axis] / 2);
    frame.scrollTo({ top, left });
  };

  /** @param {number} factor 0: the whole picture @param {number[]} around the cell that is in the middle then */
  const zoom = (factor, around = middle()) => {
    cell = factor ? Math.max(whole(), Math.min(MOST_ZOOM, cell * factor)) : whole();
    isWhole = cell === whole();
    layOut();
    centre(around);
  };

  const reveal = () => {
    const [from, seen] = [begins(), room()];
    const isOut = [query, key].some((at, axis) => at * cell < from[axis] || (at + 1) * cell > from[axis] + seen[axis]);
    if (isOut) centre([query, key]);
  };

  const paint = (bytes, size, colors) => {
    paintHead(canvas, bytes, 0, size, colors);
    if (size !== T) {
      [T, query, key] = [size, size - 1, size - 1];
      zoom(0);
    }
    told(query, key);
  };

  const pointAt = ({ offsetX, offsetY }) => choose(Math.floor(offsetY / cell), Math.floor(offsetX / cell));
  canvas.onpointermove = canvas.onpointerdown = pointAt;
  canvas.onkeydown = (event) => {
    const step = event.shiftKey ? FAR : 1;
    const to = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] }[event.key];
    const factor = { "+": 2, "=": 2, "-": 0.5, 0: 0 }[event.key];
    if (to) choose(query + to[0], key + to[1]);
    else if (factor !== undefined) zoom(factor, [query, key]);
    else return;
    event.preventDefault();
    reveal();
  };
  canvas.ondblclick = () => zoom(2, [query, key]);
  new ResizeObserver(() => T && isWhole && zoom(0)).observe(frame);
  return { root, paint, zoom };
}

function partsOf() {
  const [root, canvas, cursor] = [make("div", "pg-big"), make("canvas"), make("div", "pg-big-cursor")];
  const [frame, sheet] = [make("div", "pg-big-frame"), make("div", "pg-big-sheet")];
  const [columns, rows] = [make("div", "pg-big-columns"), make("div", "pg-big-rows")];
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "attention weights: arrow keys move, plus and minus zoom");
  sheet.append(canvas, cursor);
  frame.append(make("div", "pg-big-corner"), columns, rows, sheet);
  root.append(
    make("p", "pg-big-key", "key: the token looked at, by its number →"),
    make("p", "pg-big-query", "query: the token that looks, by its number →"),
    frame,
  );
  return { root, frame, columns, rows, canvas, cursor };
}

/**
 * The numbers of the tokens, from 1, that a ruler marks: round ones, not too near each other.
 * @param {number} T
 * @param {number} cell pixels of a token
 */
export function marksOf(T, cell) {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((n) => n * cell >= BETWEEN) ?? 2000;
  const marks = Array.from({ length: Math.floor(T / step) }, (_, i) => (i + 1) * step);
  return marks.length ? marks : [1];
}
