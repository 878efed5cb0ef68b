// The dial in words, and its picture of score against KL as Plotly's traces. No drawing.

import { wholePercent } from "../../../assets/rates.js";

/**
 * A mean over prompts with its 95 % interval.
 * @typedef {[value: number, low: number, high: number]} Interval
 * See playground/tabs/align/mixtures.py; `at` is the amount of the child, or the strength of the steering vector.
 * @typedef {{at: number, reward: Interval, kl: Interval, words: Interval}} Point
 * @typedef {{name: string, of: string, points: Point[], prompts: number}} Curve
 * @typedef {{amounts: Record<string, number>, off: string[], layer: number, strength: number}} Setting
 */

const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x"]; // for who cannot tell the colours apart
const PLACES = ["top left", "bottom right", "top right", "bottom left"]; // of the amounts beside their points
const TICKS = [0, 0.25, 1, 2, 5, 10, 20, 40, 80, 160]; // nats

const signed = (/** @type {number} */ a) => String(Number(a.toFixed(2))).replace("-", "\u2212");

/** What is mixed: "bard-chat + 0.5 (bard-aligned − bard-chat)". @param {string} parent @param {Setting} setting */
export function mixText(parent, { amounts, off, layer, strength }) {
  const added = Object.entries(amounts)
    .filter(([, a]) => a)
    .map(([name, a]) => ` ${a < 0 ? "\u2212" : "+"} ${signed(Math.abs(a))} (${name} \u2212 ${parent})`);
  const parts = off.length === 1 ? "1 part" : `${off.length} parts`;
  const less = off.length ? `, ${parts} left out` : "";
  const steered = strength ? `, steered by ${signed(strength)} at layer ${layer + 1}` : "";
  return parent + added.join("") + less + steered;
}

/** How a curve is called: what moves along it, and what stays. @param {string} of @param {Setting} setting */
export function curveName(of, { amounts, off, layer }) {
  const [[first], ...others] = Object.entries(amounts);
  const beside = others.filter(([, a]) => a).map(([name, a]) => ` with ${signed(a)} ${name}`);
  const less = off.length ? `, ${off.length} left out` : "";
  const varied = of === "steering" ? `steering at layer ${layer + 1}` : `dial of ${first}`;
  return varied + beside.join("") + less;
}

const between = ([value, low, high], write) => `${write(value)} (${write(low)} to ${write(high)})`;
const digits = (/** @type {number} */ value) => value.toFixed(1);

/** What is read over a point. @param {Curve} curve @param {Point} point */
export function pointText({ name, of, prompts }, { at, reward, kl, words }) {
  return [
    `${name}: ${of === "steering" ? "strength" : "a"} = ${signed(at)}`,
    `${between(reward, wholePercent)} of ${prompts} prompts`,
    `KL ${between(kl, digits)} nats`,
    `${digits(words[0])} words`,
  ].join("<br>");
}

/**
 * A curve for each. KL is drawn on the scale of its square root: near the parent that grows as the amount does.
 * @param {Curve[]} curves
 * @param {string[]} colors
 */
export const tracesOf = (curves, colors) =>
  curves.map((curve, i) => ({
    ...{ type: "scatter", mode: "lines+markers+text", name: curve.name, cliponaxis: false },
    x: curve.points.map(({ kl }) => Math.sqrt(kl[0])),
    y: curve.points.map(({ reward }) => reward[0]),
    text: curve.points.map(({ at }) => (at ? signed(at) : "")), // at 0 stands the axis
    textposition: PLACES[i % PLACES.length],
    textfont: { color: colors[i % colors.length] },
    customdata: curve.points.map((point) => pointText(curve, point)),
    hovertemplate: "%{customdata}<extra></extra>",
    line: { color: colors[i % colors.length], width: 1.5 },
    marker: { color: colors[i % colors.length], symbol: SYMBOLS[i % SYMBOLS.length], size: 9 },
    error_y: {
      ...{ type: "data", symmetric: false, thickness: 1, width: 3, color: colors[i % colors.length] },
      array: curve.points.map(({ reward: [value, , high] }) => high - value),
      arrayminus: curve.points.map(({ reward: [value, low] }) => value - low),
    },
  }));

/** The ticks of the axis of KL, up to the farthest point. @param {Curve[]} curves */
export function klTicks(curves) {
  const most = Math.max(1, ...curves.flatMap(({ points }) => points.map(({ kl }) => kl[0])));
  const shown = TICKS.filter((kl) => kl <= 1.2 * most);
  return { tickvals: shown.map(Math.sqrt), ticktext: shown.map(String) };
}
