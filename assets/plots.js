// Plotly's figures in the colours of the page. Plotly is large: it is loaded once, as soon as a view with plots is.

import { cssColor } from "./colors.js";
import { make } from "./dom.js";
import { labelPlaces, wholeTicks } from "./plot_ticks.js";

/** @type {Promise<any>} */
const loaded = new Promise((resolve, reject) => {
  const own = /** @type {any} */ (globalThis);
  if (own.Plotly) return resolve(own.Plotly); // a page of its own has it inline
  // Gradio's <base href="./"> is what an address is resolved against anyway; but where there is one, Plotly writes
  // url(ADDRESS#clip) instead of url(#clip), and nothing is clipped or filled any more once the address changes.
  document.querySelector("base")?.remove();
  const script = document.createElement("script");
  script.src = new URL("../plotly.js", import.meta.url).href;
  script.onload = () => resolve(own.Plotly);
  script.onerror = () => reject(new Error("plotly.js could not be loaded"));
  document.head.append(script);
});

/** The library itself: `(await plotly()).relayout(...)`. */
export const plotly = () => loaded;

// Plotly's own "Share chart" would upload it: nothing leaves this machine. A double click shows all again.
const UNWANTED = ["sendChartToCloud", "sendDataToCloud", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"];
const OPTIONS = { responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtonsToRemove: UNWANTED };
const TRANSPARENT = "rgba(0,0,0,0)";
const EMPTY = "Nothing has been measured yet.";
const WHOLE_NUMBERS = { tickformat: ",~d" };

const isAxis = (/** @type {string} */ key) => /^[xy]axis/.test(key);

/**
 * A Plotly layout in the colours of the page, light or dark. An axis with `integer: true`, which Plotly does not know,
 * has ticks at whole numbers only.
 * @param {Record<string, any>} layout
 */
function themed(layout) {
  const [text, faint] = [cssColor("--body-text-color"), cssColor("--body-text-color-subdued")];
  const line = cssColor("--border-color-primary");
  /** @type {Record<string, any>} */
  const themedLayout = { ...layout, paper_bgcolor: TRANSPARENT, plot_bgcolor: TRANSPARENT };
  themedLayout.font = { color: text, size: 12 };
  themedLayout.modebar = { bgcolor: TRANSPARENT, color: faint, activecolor: text };
  const lines = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  for (const axis of Object.keys(layout).filter(isAxis))
    themedLayout[axis] = { ...lines, ...(layout[axis].integer ? WHOLE_NUMBERS : {}), ...layout[axis] };
  return themedLayout;
}

/**
 * Draw a figure into `plot`, or change the one that is there. Zoom and hidden curves stay (`uirevision`).
 * @param {any} plot
 * @param {any[]} data
 * @param {Record<string, any>} layout
 * @param {string} [empty] the sentence that stands there as long as no curve has a point
 */
export async function draw(plot, data, layout, empty = EMPTY) {
  const isNew = !plot.data;
  await (await loaded).react(plot, data, withDecisions(plot, themed(layout)), OPTIONS);
  if (isNew) {
    plot.querySelector(".plot-container").append(make("p", "pg-plot-empty"));
    plot.on("plotly_afterplot", () => decide(plot));
  }
  plot.querySelector(".pg-plot-empty").textContent = empty;
  await decide(plot);
}

// --- what can only be decided when it is known what is in sight: when a plot was drawn, and after every zoom ---------

/** @typedef {{ticks: [string, any][], places: [number, any][]}} Decisions of [axis, dtick], and [shape, attributes] */

/** @type {WeakMap<object, Decisions>} */
const decided = new WeakMap();

const ticksOf = (dtick) => ({ tickmode: dtick ? "linear" : "auto", dtick });

// A plot that is drawn again and again keeps them: it need not be drawn twice each time.
function withDecisions(plot, layout) {
  const { ticks, places } = decided.get(plot) ?? { ticks: [], places: [] };
  for (const [axis, dtick] of ticks) if (layout[axis]?.integer) Object.assign(layout[axis], ticksOf(dtick));
  if (layout.shapes) layout.shapes = [...layout.shapes];
  for (const [i, place] of places) {
    const shape = layout.shapes?.[i];
    if (shape?.label) layout.shapes[i] = { ...shape, label: { ...shape.label, ...place } };
  }
  return layout;
}

async function decide(plot) {
  const isEmpty = !plot.data.some(({ x, y, z }) => (x ?? y ?? z)?.length);
  plot.classList.toggle("pg-no-points", isEmpty);
  const now = { ticks: ticksInSight(plot), places: labelsInSight(plot) };
  if (JSON.stringify(now) === JSON.stringify(decided.get(plot) ?? { ticks: [], places: [] })) return;
  decided.set(plot, now);
  const entries = (place, values) => Object.entries(values).map(([name, value]) => [`${place}.${name}`, value]);
  const changes = [
    ...now.ticks.flatMap(([axis, dtick]) => entries(axis, ticksOf(dtick))),
    ...now.places.flatMap(([i, place]) => entries(`shapes[${i}].label`, place)),
  ];
  await (await loaded).relayout(plot, Object.fromEntries(changes));
}

/** @returns {Decisions["ticks"]} */
function ticksInSight({ layout, _fullLayout: drawn }) {
  const whole = Object.keys(layout).filter((key) => isAxis(key) && layout[key].integer && drawn[key]);
  return whole.map((key) => [key, wholeTicks(drawn[key].range, drawn[key].type === "log")]);
}

/** @returns {Decisions["places"]} */
function labelsInSight({ layout, _fullLayout: drawn }) {
  const axisOf = (reference, letter) => drawn[reference.split(" ")[0].replace(letter, `${letter}axis`)];
  const lines = (layout.shapes ?? []).flatMap((shape, i) => {
    if (shape.type !== "line" || !shape.label?.text) return [];
    const [across, up] = [axisOf(shape.xref ?? "x", "x") ?? drawn.xaxis, axisOf(shape.yref ?? "y", "y") ?? drawn.yaxis];
    const [left, top] = [across._offset, up._offset];
    const panel = { left, top, right: left + across._length, bottom: top + up._length };
    const upright = shape.x0 === shape.x1;
    const at = upright ? left + across.d2p(shape.x0) : top + up.d2p(shape.y0);
    return [{ i, line: { text: shape.label.text, upright, at, panel } }];
  });
  const places = labelPlaces(lines.map(({ line }) => line));
  return lines.map(({ i }, n) => [i, places[n]]);
}
