// How far a model has moved while it was voted on: KL from the model it began as, version by version.

import { label, svg } from "./svg.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [320, 130, 46, 306, 12, 38];

/**
 * Where a number of votes and a KL are in the chart.
 * @param {number} votes the most
 * @param {number} kl the largest
 */
export const klScales = (votes, kl) => ({
  x: (/** @type {number} */ vote) => LEFT + (vote / Math.max(1, votes)) * (RIGHT - LEFT),
  y: (/** @type {number} */ nats) => TOP + (1 - nats / topOf(kl)) * (HEIGHT - TOP - BOTTOM),
});

/** Where the axis ends: the next whole number. @param {number} kl */
export const topOf = (kl) => Math.max(1, Math.ceil(kl));

/**
 * @param {{number: number, votes: number, kl: number}[]} lineage the versions, the earliest first
 * @param {number} votes given so far
 * @returns {Element}
 */
export function klChart(lineage, votes) {
  const points = [{ number: 0, votes: 0, kl: 0 }, ...lineage];
  const [most, top] = [Math.max(votes, lineage.at(-1).votes), topOf(Math.max(...lineage.map(({ kl }) => kl)))];
  const { x, y } = klScales(most, top);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "pg-course", role: "img" });
  const [last, middle] = [lineage.at(-1), (TOP + HEIGHT - BOTTOM) / 2];
  chart.setAttribute("aria-label", `KL ${last.kl.toFixed(2)} nats an answer after ${last.votes} votes`);
  for (const at of [0, top]) {
    const [left, right] = [LEFT, RIGHT];
    chart.append(svg("line", { x1: left, x2: right, y1: y(at), y2: y(at), class: "pg-course-grid" }));
    chart.append(label(at, { x: LEFT - 5, y: y(at) + 4 }, "end"));
  }
  const path = points.map((one) => `${x(one.votes)},${y(one.kl)}`).join(" ");
  chart.append(svg("polyline", { points: path, class: "pg-course-line" }));
  for (const { number, votes: at, kl } of lineage) {
    const title = svg("title", {}, `Version ${number}: ${at} votes, KL ${kl.toFixed(2)} nats an answer`);
    chart.append(svg("circle", { cx: x(at), cy: y(kl), r: 4, class: "pg-course-hit" }, title));
  }
  chart.append(
    label(0, { x: LEFT, y: HEIGHT - 20 }, "start"),
    label(most, { x: RIGHT, y: HEIGHT - 20 }, "end"),
    label("votes", { x: (LEFT + RIGHT) / 2, y: HEIGHT - 6 }),
    label("KL (nats)", { x: 12, y: middle, transform: `rotate(-90 12 ${middle})` }),
  );
  return chart;
}
