// The large picture of one head.

import { draw } from "../../../assets/plots.js";

/**
 * Draw a heatmap of playground/tabs/attention/heatmaps.py; each cell is told its two tokens here.
 * @param {HTMLElement} plot
 * @param {{data: any[], layout: any, names: string[]}} figure
 */
export async function drawMatrix(plot, figure) {
  const { names } = figure;
  figure.data[0].customdata = names.map((query) => names.map((key) => [query, key]));
  await draw(plot, figure.data, figure.layout);
}
