// Which panels the curves of a run have, and what they are seen against. No drawing.

import { has } from "./log.js";

/**
 * A curve in a panel, and a panel, as playground/panels/live_run/chart.py declares them.
 * @typedef {{metric: string, name: string, color: string, smooth: boolean, markers: boolean}} Curve
 * @typedef {object} Panel
 * @property {string} key
 * @property {string} title
 * @property {Curve[]} curves
 * @property {boolean} log
 * @property {boolean} zero
 * @property {string} tickformat
 * @property {string[]} [of]
 * @property {{name: string, text: string} | null} [about]
 * @typedef {import("./log.js").Log} Log
 */

/**
 * Those of the figure whose metrics the log has, or will have in this stage, then one for each metric that the figure
 * does not know.
 * @param {Log} log
 * @param {{panels: Panel[], others: string[]}} figure
 * @param {string} [stage]
 * @returns {Panel[]}
 */
export function panelsOf(log, figure, stage) {
  const known = new Set(figure.panels.flatMap(({ curves }) => curves.map(({ metric }) => metric)));
  const named = figure.panels.map((panel) => ({
    ...panel,
    curves: panel.curves.filter(({ metric }) => has(log, metric)),
  }));
  const unnamed = Object.keys(log.values).filter((metric) => !known.has(metric) && has(log, metric));
  const own = unnamed.map((metric) => panelOfItsOwn(log, metric, figure.others[0]));
  const found = [...named, ...own].filter(({ curves, of = [] }) => curves.length || of.includes(stage));
  return found.length ? found : [{ ...figure.panels[0], curves: [] }];
}

function panelOfItsOwn(log, metric, color) {
  const markers = log.values[metric].filter((value) => value !== null).length < log.step.length / 2;
  const curve = { metric, name: metric, color, smooth: !markers, markers };
  return { key: metric, title: metric, curves: [curve], log: false, zero: false, tickformat: "~g" };
}

/**
 * What others have reached on the text that a run is measured on.
 * @param {Log} log
 * @param {any} figure
 * @param {any} about of the run
 */
export const publishedFor = (log, figure, about) =>
  figure.published.filter(({ corpus }) => corpus === about?.corpus && has(log, "bpb/val"));

const NEAR = 0.02; // references that differ by less are one line

/**
 * A line across a panel. A target is always in sight, any other only where the curves come near it.
 * @typedef {{y: number, text: string, target?: boolean}} Line
 */

/**
 * {panel: its lines}.
 * @param {any} about of the run
 * @param {any} figure
 * @returns {Record<string, Line[]>}
 */
export function linesOf(about, figure) {
  const { references = {}, corpus = "", grad_clip = null } = about ?? {};
  const published = figure.published.filter((entry) => entry.corpus === corpus);
  const apart = Object.entries(references).filter(([, y], i, all) =>
    all.slice(0, i).every(([, other]) => Math.abs(y / other - 1) > NEAR),
  );
  return {
    loss: apart.map(([key, y]) => ({ y, text: `${figure.references[key] ?? key}, ${y.toFixed(2)}` })),
    bpb: published.map(({ name, bits_per_byte: y }) => ({ y, text: `${name}: ${y.toFixed(3)}`, target: true })),
    grad_norm: grad_clip ? [{ y: grad_clip, text: `clipped to ${grad_clip}` }] : [],
  };
}

/**
 * Those of the lines that are in sight, where the curves have these values.
 * @param {Line[]} lines
 * @param {number[]} values
 */
export function linesInSight(lines, values) {
  const [low, high] = values.reduce(([low, high], y) => [Math.min(low, y), Math.max(high, y)], [Infinity, -Infinity]);
  return lines.filter(({ y, target }) => values.length && (target || (y > low * 0.95 && y < high * 1.05)));
}
