// The large picture of one head.

import { draw } from "../../../assets/plots.js";
import { scaledTrace } from "./weight_colors.js";

/**
 * Draw a heatmap of playground/tabs/attention/heatmaps.py; each cell is told its two tokens here.
 * @param {HTMLElement} plot
 * @param {{data: any[], layout: any, names: string[]}} figure
 * @param {import("./weight_colors.js").Scaling} [scaling]
 */
export async function drawMatrix(plot, { data: [trace], layout, names }, scaling = "linear") {
  const customdata = names.map((query) => names.map((key) => [query, key]));
  await draw(plot, [{ ...scaledTrace(trace, scaling), customdata }], layout);
}
