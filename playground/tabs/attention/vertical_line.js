// The grey line that marks a place on a plot's x axis.

import { plotly } from "../../../assets/plots.js";

/**
 * Move it; nothing happens before the plot is drawn.
 * @param {any} plot
 * @param {number} x
 */
export async function moveVerticalLine(plot, x) {
  const line = { type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line: { width: 2, color: "#888" } };
  if (plot.data) await (await plotly()).relayout(plot, { shapes: [line] });
}
