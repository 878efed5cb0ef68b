// Goodhart at home in figures: what reward models say of answers, and the rule, against the distance. No drawing.

/**
 * See core/method_comparison_file.py: `reward` is the rule's score, `proxy` the reward model's, in standard deviations.
 * @typedef {import("./method_points.js").Point & {proxy: number, proxy_low: number, proxy_high: number}} Point
 * @typedef {{color: string, symbol: string}} Look
 */

import { isParent, strengthText } from "./method_points.js";

const MINUS = "−";
const signed = (value) => `${Math.round(100 * value) < 0 ? MINUS : "+"}${Math.abs(value).toFixed(2)}`;
const between = (p, name) => `${signed(p[name])} (${signed(p[`${name}_low`])} to ${signed(p[`${name}_high`])})`;

/** What is read over a point. @param {Point} point */
export const pointText = (point) =>
  [
    `${point.votes ? `${point.votes} votes, ` : ""}${isParent(point) ? "the parent" : strengthText(point)}`,
    `rule ${between(point, "reward")}`,
    `reward model ${between(point, "proxy")}`,
    `KL ${point.kl.toFixed(2)} nats, ${point.words.toFixed(1)} words`,
    `${point.prompts} prompts`,
  ].join("<br>");

/**
 * Plotly's traces of one way to push: of each number of votes the rule (solid) and the reward model (dashed); where n
 * answers are picked from, also by the rule itself.
 * @param {Point[]} points
 * @param {string} method
 * @param {number[]} votes
 * @param {Look[]} looks of the numbers of votes, in their order
 * @param {string} color of what is picked by the rule itself
 */
export function tracesOf(points, method, votes, looks, color) {
  const parent = points.find((point) => isParent(point) && !point.votes);
  const pathOf = (count) => {
    const some = points.filter((p) => p.method === method && p.votes === count).sort((a, b) => a.strength - b.strength);
    return some.length && parent && !isParent(some[0]) ? [parent, ...some] : some;
  };
  const line = (path, name, look, { dash, title, shown }) => ({
    ...{ type: "scatter", mode: "lines+markers", name: title, legendgroup: title, showlegend: shown },
    ...{ x: path.map(({ kl }) => Math.sqrt(kl)), y: path.map((p) => p[name]) },
    ...{ customdata: path.map(pointText), hovertemplate: "%{customdata}<extra></extra>", cliponaxis: false },
    line: { color: look.color, width: 1.5, dash },
    marker: { color: look.color, symbol: `${look.symbol}${dash === "solid" ? "" : "-open"}`, size: 8, opacity: 1 },
    error_y: {
      ...{ type: "data", symmetric: false, color: look.color, thickness: 1, width: 3 },
      array: path.map((p) => p[`${name}_high`] - p[name]),
      arrayminus: path.map((p) => p[name] - p[`${name}_low`]),
    },
  });
  const itself = pathOf(0);
  const most = { dash: "dot", title: "the rule itself", shown: true };
  const found = itself.length > 1 ? [line(itself, "reward", { color, symbol: "star" }, most)] : [];
  for (const [place, count] of votes.entries()) {
    const path = pathOf(count);
    const title = `${count} votes`;
    if (!path.length) continue;
    found.push(line(path, "proxy", looks[place], { dash: "dash", title, shown: false }));
    found.push(line(path, "reward", looks[place], { dash: "solid", title, shown: true }));
  }
  return found;
}
