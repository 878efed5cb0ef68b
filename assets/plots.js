// Plotly's figures in the colours of the page. Plotly is large: it is loaded once, as soon as a view with plots is.

import { cssColor } from "./colors.js";

/** @type {Promise<any>} */
const loaded = new Promise((resolve, reject) => {
  const own = /** @type {any} */ (globalThis);
  if (own.Plotly) return resolve(own.Plotly); // a page of its own has it inline
  const script = document.createElement("script");
  script.src = new URL("../plotly.js", import.meta.url).href;
  script.onload = () => resolve(own.Plotly);
  script.onerror = () => reject(new Error("plotly.js could not be loaded"));
  document.head.append(script);
});

/** The library itself: `(await plotly()).relayout(...)`. */
export const plotly = () => loaded;

// Plotly's own "Share chart" would upload it: nothing leaves this machine.
const UNWANTED = ["sendChartToCloud", "sendDataToCloud", "select2d", "lasso2d"];
const OPTIONS = { responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtonsToRemove: UNWANTED };

/** A Plotly layout in the colours of the page, light or dark. @param {Record<string, any>} layout */
export function themed(layout) {
  const [text, line] = [cssColor("--body-text-color"), cssColor("--border-color-primary")];
  /** @type {Record<string, any>} */
  const themedLayout = { ...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
  themedLayout.font = { color: text, size: 12 };
  for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key)))
    themedLayout[axis] = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, ...layout[axis] };
  return themedLayout;
}

/**
 * Draw a figure into `plot`, or change the one that is there. Zoom and hidden curves stay (`uirevision`).
 * @param {HTMLElement} plot
 * @param {any[]} data
 * @param {Record<string, any>} layout
 * @param {Record<string, any>} [options] besides the page's own
 */
export async function draw(plot, data, layout, options = {}) {
  await (await loaded).react(plot, data, themed(layout), { ...OPTIONS, ...options });
}
