// Reward against KL: what a run has gained, and how far it has moved for that; and below it how long its answers are.

import { cssColor } from "../../../assets/colors.js";
import { about, make } from "../../../assets/dom.js";
import { LEGEND_ABOVE, MARGIN_BELOW_LEGEND, picture } from "../../../assets/pictures.js";
import { rowsWith } from "../../panels/live_run/log.js";
import { lengthPicture } from "./length.js";

const HEIGHT = 270; // pixels

/** @typedef {import("../../panels/live_run/log.js").Log} Log */

/**
 * The points of a series, in the order of steps: those of which both metrics were measured.
 * @param {Log} log
 * @param {{x: string, y: string}} metrics
 */
export function pointsOf(log, { x, y }) {
  const at = rowsWith(log, x, y);
  const column = (values) => at.map((i) => values[i]);
  return { step: column(log.step), x: column(log.values[x]), y: column(log.values[y]) };
}

/**
 * The settings that limit the movement, where the run has come near them.
 * @param {Record<string, number>} limits
 * @param {number} farthest
 */
export const limitsInSight = (limits, farthest) => Object.entries(limits).filter(([, x]) => x < 1.3 * farthest);

const parentTrace = (color, y) => ({
  ...{ type: "scatter", mode: "markers", name: "the parent", x: [0], y: [y] },
  marker: { symbol: "star", size: 13, color },
  cliponaxis: false,
  hovertemplate: "the parent<extra></extra>",
});

const colorbar = { title: { text: "optimiser step", side: "right" }, thickness: 12, tickformat: ",~d" };

// The parent, and each series as a path of evaluations, coloured by their step.
function tracesOf(log, scale, { series, from_zero: fromZero }) {
  const color = cssColor("--body-text-color");
  const found = series.map((path) => ({ ...path, ...pointsOf(log, path) })).filter(({ step }) => step.length);
  if (!found.length) return [];
  const last = Math.max(1, ...found.map(({ step }) => step.at(-1)));
  const paths = found.map(({ name, symbol, step, x, y }, i) => ({
    ...{ type: "scatter", mode: "lines+markers", name, x, y, customdata: step },
    line: { color, width: 0.7, dash: i ? "dot" : "solid" },
    marker: {
      symbol,
      size: i || found.length === 1 ? 11 : 8,
      ...{ color: step, colorscale: scale, cmin: 0, cmax: last },
      line: { color, width: 0.8 },
      showscale: i === 0,
      colorbar,
    },
    hovertemplate: `step %{customdata:,}<br>KL %{x:.2f} nats<br>${name} %{y:.3f}<extra></extra>`,
  }));
  return [parentTrace(color, fromZero ? 0 : found[0].y[0]), ...paths];
}

function limitShapes(limits, names, color) {
  return limits.map(([name, x]) => ({
    ...{ type: "line", yref: "paper", y0: 0, y1: 1, x0: x, x1: x, line: { color, width: 1, dash: "dash" } },
    label: {
      ...{ text: names[name], textposition: "end", yanchor: "top", textangle: 0, padding: 3 },
      font: { color, size: 11 },
    },
  }));
}

/**
 * The picture of a run, as far as it is one that is seen against KL.
 * @param {any} figure see playground/tabs/align/pictures.py
 */
export function againstKl(figure) {
  const root = make("div", "pg-against-kl");
  const length = lengthPicture(figure.colors.other);
  let [shown, stage] = [null, ""];
  /**
   * @param {any} run what it says of itself
   * @param {Log} log
   * @param {import("../../panels/live_run/samples.js").Answers[]} answers
   */
  const draw = async (run, log, answers) => {
    const wanted = figure.againstKl[run.stage];
    const data = wanted ? tracesOf(log, figure.scale, wanted) : [];
    root.hidden = !data.length;
    if (!data.length) return;
    if (stage !== run.stage) {
      [shown, stage] = [picture(wanted.title, "", HEIGHT), run.stage];
      shown.root.querySelector("h3").append(" ", about(wanted.about));
      root.replaceChildren(shown.root, length.root);
    }
    const farthest = Math.max(...data.flatMap(({ x }) => x));
    const limits = limitsInSight(run.limits ?? {}, farthest);
    await shown.draw(data, {
      shapes: limitShapes(limits, figure.limits, cssColor("--body-text-color")),
      uirevision: stage,
      legend: LEGEND_ABOVE,
      margin: MARGIN_BELOW_LEGEND,
      xaxis: { title: { text: figure.kl }, rangemode: "tozero" },
      yaxis: { title: { text: wanted.y }, ticklabelstandoff: 10 }, // the star of the parent stands on the axis
    });
    await length.draw(answers);
  };
  return { root, draw };
}
