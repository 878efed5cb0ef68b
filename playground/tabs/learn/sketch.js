// A curve drawn by hand, with mouse, finger or arrow keys; afterwards what was measured lies over it.

import { button, make } from "../../../assets/dom.js";
import { fromSlider, shownNumber, ticksOf, toSlider } from "./scale.js";
import { curveOf, drawn, nearest, placesOf } from "./sketch_curve.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [640, 380];
const ROOM = { left: 62, right: 30, top: 14, bottom: 50 };
const [FINE, COARSE] = [0.02, 0.1]; // of the height, that an arrow key moves a point
const HOW =
  "Draw it with the mouse or a finger; or with the arrow keys: left and right choose a place, up and down move the " +
  "curve there.";

/**
 * @param {any} prediction a Sketch
 * @param {import("./prediction.js").Asked} asked
 * @returns {HTMLElement}
 */
export function sketch({ question, x, y }, { predicted, outcome, change }) {
  const root = make("div", "pg-predict pg-sketch");
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "pg-sketch-paper" });
  const paper = makePaper(x, y);
  const lines = svg("g", {});
  drawing.append(...axes(x, y, paper), lines);
  root.append(drawing);
  if (outcome) {
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", spoken(x, predicted, outcome));
    lines.append(...curve(paper, predicted, "guess"), ...curve(paper, outcome, "found"));
    root.append(legend());
    return root;
  }
  const limits = { "aria-valuemin": y.low, "aria-valuemax": y.high, "aria-label": question };
  setAttributes(drawing, { role: "slider", tabindex: 0, ...limits });
  const tools = make("div", "pg-tools");
  const clear = drawable(drawing, lines, paper, { x, y, predicted, change });
  tools.append(button("Clear", clear), make("p", "pg-note", HOW));
  root.append(tools);
  return root;
}

// Let a person draw; returns what takes all back.
function drawable(drawing, lines, paper, { x, y, predicted, change }) {
  const places = placesOf(x);
  let values = valuesAt(places, predicted);
  let [at, last] = [0, null]; // the place of the keys, and where the pen was

  const show = () => {
    const guess = curveOf(places, values);
    const here = { x1: paper.across(places[at]), x2: paper.across(places[at]), y1: paper.top, y2: paper.bottom };
    const isFocused = document.activeElement === drawing;
    lines.replaceChildren(
      ...(guess ? curve(paper, guess, "guess") : []),
      ...(isFocused ? [svg("line", { ...here, class: "pg-sketch-here" })] : []),
    );
    const said = guess ? shownNumber(guess[at][1]) : "nothing drawn yet";
    const text = `${x.title} ${shownNumber(places[at])}: ${said}`;
    setAttributes(drawing, { "aria-valuenow": guess?.[at][1] ?? y.low, "aria-valuetext": text });
  };
  const finish = () => {
    const points = curveOf(places, values);
    if (points) change(points);
  };
  const move = (event) => {
    const pen = paper.penAt(drawing, event, places);
    values = drawn(values, last ?? pen, pen);
    [last, at] = [pen, pen.place];
    show();
  };
  drawing.onpointerdown = (event) => {
    drawing.setPointerCapture(event.pointerId);
    last = null;
    move(event);
  };
  drawing.onpointermove = (event) => drawing.hasPointerCapture(event.pointerId) && move(event);
  drawing.onpointerup = finish;
  drawing.onkeydown = (event) => {
    const aside = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const higher = { ArrowUp: FINE, ArrowDown: -FINE, PageUp: COARSE, PageDown: -COARSE }[event.key];
    if (!aside && !higher) return;
    event.preventDefault();
    if (aside) at = Math.min(places.length - 1, Math.max(0, at + aside));
    else {
      const value = curveOf(places, values)?.[at][1] ?? fromSlider(y, 0.5);
      const share = Math.min(1, Math.max(0, toSlider(y, value) + higher));
      values = values.map((old, i) => (i === at ? fromSlider(y, share) : old));
      finish();
    }
    show();
  };
  drawing.onfocus = drawing.onblur = show;
  show();
  return () => {
    values = places.map(() => null);
    show();
  };
}

// Where values stand on the paper, and what a pen on it means.
function makePaper(x, y) {
  const [left, right, top, bottom] = [ROOM.left, WIDTH - ROOM.right, ROOM.top, HEIGHT - ROOM.bottom];
  const clamp = (share) => Math.min(1, Math.max(0, share));
  return {
    ...{ left, right, top, bottom },
    across: (value) => left + toSlider(x, value) * (right - left),
    up: (value) => top + (1 - clamp(toSlider(y, value))) * (bottom - top),
    penAt: (drawing, event, places) => {
      const box = drawing.getBoundingClientRect();
      const px = ((event.clientX - box.left) / box.width) * WIDTH;
      const py = ((event.clientY - box.top) / box.height) * HEIGHT;
      const place = nearest(x, places, (px - left) / (right - left));
      return { place, value: fromSlider(y, clamp(1 - (py - top) / (bottom - top))) };
    },
  };
}

const DOTTED = 12; // points, up to which each is marked

function curve(paper, points, kind) {
  const path = points.map(([px, py], i) => `${i ? "L" : "M"}${paper.across(px)} ${paper.up(py)}`).join("");
  const dots = points.length > DOTTED ? [] : points;
  return [
    svg("path", { d: path, class: `pg-sketch-${kind}` }),
    ...dots.map(([px, py]) =>
      svg("circle", { cx: paper.across(px), cy: paper.up(py), r: 4, class: `pg-sketch-dot-${kind}` }),
    ),
  ];
}

function legend() {
  const line = make("p", "pg-sketch-legend");
  const mark = (kind, name) => make("span", `pg-lesson-mark pg-lesson-${kind}`, name);
  line.append(mark("guess", "you"), " dashed, ", mark("found", "measured"), " solid");
  return line;
}

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
}

/** @returns {any} */
function svg(tag, attributes, text = "") {
  const node = document.createElementNS(SVG, tag);
  setAttributes(node, attributes);
  node.textContent = text;
  return node;
}

// What was predicted, as far as it is for these places.
function valuesAt(places, predicted) {
  const known = new Map(predicted ?? []);
  return places.map((place) => known.get(place) ?? null);
}

function axes(x, y, { left, right, top, bottom, across, up }) {
  const grid = ticksOf(y).flatMap((tick) => [
    svg("line", { x1: left, x2: right, y1: up(tick), y2: up(tick), class: "pg-sketch-grid" }),
    svg("text", { x: left - 8, y: up(tick) + 4, "text-anchor": "end" }, shownNumber(tick)),
  ]);
  const below = ticksOf(x).map((tick) =>
    svg("text", { x: across(tick), y: bottom + 18, "text-anchor": "middle" }, shownNumber(tick)),
  );
  const middle = (top + bottom) / 2;
  const titles = [
    svg("text", { x: (left + right) / 2, y: HEIGHT - 8, "text-anchor": "middle", class: "pg-sketch-title" }, x.title),
    svg(
      "text",
      { x: 14, y: middle, transform: `rotate(-90 14 ${middle})`, "text-anchor": "middle", class: "pg-sketch-title" },
      y.title,
    ),
  ];
  return [
    ...grid,
    svg("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "pg-sketch-axis" }),
    ...below,
    ...titles,
  ];
}

// Both curves in words, for those who do not see them.
function spoken(x, predicted, outcome) {
  const said = (points) => points.map(([px, py]) => `${shownNumber(py)} at ${shownNumber(px)}`).join(", ");
  return `Along ${x.title}: predicted ${said(predicted)}; measured ${said(outcome)}`;
}
