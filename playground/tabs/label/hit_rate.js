// The course of a hit rate: a line, and below it one mark a vote.

import { wholePercent } from "../../../assets/rates.js";
import { label, svg } from "./svg.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [320, 170, 46, 310, 8, 58];
const MOST_MARKS = 60; // more would run into each other

/** Where the vote of a number, counted from 1, and a share are in the chart. @param {number} votes */
export const scales = (votes) => ({
  x: (/** @type {number} */ vote) => LEFT + ((vote - 1) / Math.max(1, votes - 1)) * (RIGHT - LEFT),
  y: (/** @type {number} */ share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM),
});

function grid(y) {
  return [0, 0.5, 1].flatMap((share) => {
    const at = { x1: LEFT, x2: RIGHT, y1: y(share), y2: y(share) };
    const line = svg("line", { ...at, class: share === 0.5 ? "pg-course-coin" : "pg-course-grid" });
    return [line, label(`${100 * share}`, { x: LEFT - 5, y: y(share) + 4 }, "end")];
  });
}

// A filled one where it was right, a hollow one else.
function marks(hits, x, y) {
  const n = hits.length;
  if (n > MOST_MARKS) return [];
  const r = Math.max(1.2, Math.min(7, (RIGHT - LEFT) / n) / 2 - 0.6);
  const mark = (hit, i) => {
    const at = { cx: x(i + 1), cy: y(0) + 11, r };
    return svg("circle", { ...at, class: hit ? "pg-course-hit" : "pg-course-miss" });
  };
  return hits.map(mark);
}

function axes(n, x, y) {
  const ticks = n > 1 ? [1, n] : [1];
  const tick = (vote) => label(vote, { x: x(vote), y: HEIGHT - 18 }, vote === 1 ? "start" : "end");
  const middle = y(0.5);
  return [
    ...ticks.map(tick),
    label("votes predicted", { x: (LEFT + RIGHT) / 2, y: HEIGHT - 4 }),
    label("hit rate (%)", { x: 12, y: middle, transform: `rotate(-90 12 ${middle})` }),
  ];
}

/**
 * @param {boolean[]} hits of each vote whether it was predicted
 * @param {number[]} course the hit rate after each of them
 * @returns {Element}
 */
export function hitRateChart(hits, course) {
  const n = course.length;
  const { x, y } = scales(n);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "pg-course", role: "img" });
  chart.setAttribute("aria-label", `Hit rate over ${n} votes: ${wholePercent(course.at(-1))} at the end`);
  const points = course.map((share, i) => `${x(i + 1)},${y(share)}`).join(" ");
  chart.append(...grid(y), svg("polyline", { points, class: "pg-course-line" }), ...marks(hits, x, y));
  if (n === 1) chart.append(svg("circle", { cx: x(1), cy: y(course[0]), r: 3, class: "pg-course-hit" }));
  chart.append(...axes(n, x, y));
  return chart;
}
