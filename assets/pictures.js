// A plot with a title and the sentence that says what is seen.

import { make } from "./dom.js";
import { draw } from "./plots.js";

/** Of a plot's legend, and of its margins, where the legend stands above it. */
export const LEGEND_ABOVE = { orientation: "h", x: 0, y: 1, yanchor: "bottom" };
export const MARGIN_BELOW_LEGEND = { l: 62, r: 14, t: 30, b: 48 };

const MARGIN = { l: 62, r: 14, t: 12, b: 48 };

/**
 * @param {string} title
 * @param {string} about
 * @param {number} height pixels
 */
export function picture(title, about, height) {
  const root = make("section", "pg-picture");
  const plot = make("div");
  plot.style.minHeight = `${height}px`;
  const sentence = make("p", "pg-note", about);
  root.append(make("h3", "", title), sentence, plot);
  /** @param {any[]} data @param {Record<string, any>} layout besides the usual */
  const drawIn = (data, layout) => draw(plot, data, { height, margin: MARGIN, ...layout });
  return { root, plot, sentence, draw: drawIn };
}
