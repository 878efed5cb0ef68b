// What is turned: a slider for each child, a pad for two, the parts of the change that are used, and steering.

import { button, make } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";

const SVG = "http://www.w3.org/2000/svg";
const STEP = 0.05;

/** @param {number} value @param {[number, number]} range */
const clamp = (value, [low, high]) => Math.min(high, Math.max(low, value));
const rounded = (/** @type {number} */ a) => Math.round(a / STEP) * STEP;

/**
 * A slider with its name and its number.
 * @param {string} title
 * @param {[number, number]} range
 * @param {number} step
 * @param {(value: number) => unknown} changed
 */
export function slider(title, range, step, changed) {
  const [root, name, shown] = [make("div", "pg-dial-slider"), make("span"), make("output")];
  const input = Object.assign(make("input"), { type: "range", min: range[0], max: range[1], step });
  const put = (/** @type {number} */ value) => {
    input.value = String(value);
    shown.textContent = Number(value).toFixed(2).replace("-", "\u2212");
  };
  input.oninput = () => {
    put(Number(input.value));
    changed(Number(input.value));
  };
  const call = (/** @type {string} */ text) => {
    name.textContent = text;
    input.setAttribute("aria-label", text);
  };
  call(title);
  root.append(name, shown, input);
  return { root, input, put, call };
}

function shape(tag, attributes, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.textContent = text;
  return node;
}

/**
 * A plane of two amounts, across and up, with the parent and both children marked; a press or a drag moves the point.
 * @param {[number, number]} range
 * @param {(x: number, y: number) => unknown} changed
 */
export function pad(range, changed) {
  const [low, high] = range;
  const span = high - low;
  const root = /** @type {any} */ (shape("svg", { class: "pg-dial-pad", viewBox: "0 0 300 300", role: "img" }));
  const at = (x, y) => [(300 * (x - low)) / span, 300 - (300 * (y - low)) / span];
  const point = shape("circle", { r: 9, class: "pg-dial-point" });
  const label = (text, x, y) => shape("text", { x: at(x, y)[0] + 7, y: at(x, y)[1] - 7 }, text);

  /** @param {string} parent @param {[string, string]} names */
  function call(parent, names) {
    const lines = [0, 1].flatMap((n) => {
      const [x, y] = at(n, n);
      return [shape("line", { x1: x, x2: x, y1: 0, y2: 300 }), shape("line", { x1: 0, x2: 300, y1: y, y2: y })];
    });
    const marks = [at(0, 0), at(1, 0), at(0, 1)].map(([cx, cy]) => shape("circle", { cx, cy, r: 4 }));
    root.setAttribute("aria-label", `across ${names[0]}, up ${names[1]}; the sliders move the same point`);
    root.replaceChildren(...lines, ...marks, label(parent, 0, 0), label(names[0], 1, 0), label(names[1], 0, 1), point);
  }
  function put(x, y) {
    const [cx, cy] = at(x, y);
    point.setAttribute("cx", String(cx));
    point.setAttribute("cy", String(cy));
  }
  const move = (event) => {
    const box = root.getBoundingClientRect();
    const place = (share) => clamp(rounded(low + share * span), range);
    changed(place((event.clientX - box.left) / box.width), place((box.bottom - event.clientY) / box.height));
  };
  root.onpointerdown = (event) => {
    root.setPointerCapture(event.pointerId);
    move(event);
  };
  root.onpointermove = (event) => event.buttons && move(event);
  return { root, put, call };
}

const HALVES = { attn: "attention", mlp: "MLP" };

/**
 * Which parts of the change are used: each half of each layer, and the embeddings.
 * @param {(off: string[]) => unknown} changed
 */
export function partsOf(changed) {
  const part = fold("Layers: all of the change is used");
  const table = make("table", "pg-dial-parts");
  const tools = make("div", "pg-tools");
  /** @type {Map<string, HTMLButtonElement>} */
  const all = new Map();
  const off = () => [...all].filter(([, node]) => node.getAttribute("aria-pressed") === "false").map(([name]) => name);
  const head = part.root.firstElementChild;
  const say = () => {
    const left = off().length;
    head.textContent = left ? `Layers: ${left} of ${all.size} parts are left out` : "Layers: all of the change is used";
  };
  const set = (names, on) => {
    for (const name of names) all.get(name).setAttribute("aria-pressed", String(on));
    say();
    changed(off());
  };
  const toggle = (name, text, about) => {
    const node = button(text, () => set([name], node.getAttribute("aria-pressed") === "false"), "pg-button pg-small");
    node.setAttribute("aria-pressed", "true");
    node.setAttribute("aria-label", about);
    all.set(name, node);
    return node;
  };
  const cell = (child) => {
    const node = make("td");
    node.append(child);
    return node;
  };
  /** @param {number} layers */
  function draw(layers) {
    all.clear();
    const numbers = Array.from({ length: layers }, (_, i) => i);
    const rows = Object.entries(HALVES).map(([half, title]) => {
      const row = make("tr");
      row.append(make("th", "", title));
      row.append(...numbers.map((i) => cell(toggle(`${half}.${i}`, String(i + 1), `${title} of layer ${i + 1}`))));
      return row;
    });
    table.replaceChildren(...rows);
    const [every, none] = [true, false].map((on) =>
      button(on ? "All" : "None", () => set([...all.keys()], on), "pg-button pg-small"),
    );
    tools.replaceChildren(toggle("embeddings", "embeddings", "embeddings and the last norm"), every, none);
    say();
  }
  part.body.append(
    make("p", "pg-note", "A part that is off stays the parent's. Press a number to leave that layer's half out."),
    table,
    tools,
  );
  return { root: part.root, draw };
}
