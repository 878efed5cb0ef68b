// The curves of a run as Plotly's traces and layout: one large panel, the others below it side by side. No drawing.

import { has, points, smoothed } from "./log.js";
import { linesInSight } from "./panels.js";

const [LARGE, SMALL, GAP, TOP, BOTTOM] = [300, 120, 62, 36, 52]; // heights in pixels
const [COLUMNS, MOST_MARKERS] = [2, 60];
const [FAINT, FAINT_ON_DARK] = [0.35, 0.55]; // each step, behind its smoothed curve
const COMPARED = ["loss", "bpb"]; // the panels in which other runs are drawn too

/**
 * @typedef {import("./log.js").Log} Log
 * @typedef {import("./panels.js").Panel} Panel
 */

/** Plotly's name of the axis of panel `i`. @param {string} letter "x" or "xaxis" @param {number} i */
export const axis = (letter, i) => letter + (i ? i + 1 : "");

const trace = (i, { name, markers }, data, line, look = {}) => ({
  type: "scatter",
  mode: markers && data.x.length <= MOST_MARKERS ? "lines+markers" : "lines",
  name,
  ...data,
  xaxis: axis("x", i),
  yaxis: axis("y", i),
  line,
  marker: { color: line.color, size: 6 },
  hovertemplate: `step %{x:,}<br>${name} %{y:.4g}<extra></extra>`,
  ...look,
});

/**
 * @param {Log} log
 * @param {Panel[]} panels
 * @param {number} smoothing
 * @param {boolean} dark is the page dark?
 */
export function tracesOf(log, panels, smoothing, dark = false) {
  return panels.flatMap(({ curves }, i) =>
    curves.flatMap((curve) => {
      const raw = points(log, curve.metric);
      const line = { color: curve.color, width: curve.markers ? 2 : 1.5 };
      const look = { showlegend: i === 0 };
      if (!curve.smooth || !smoothing) return [trace(i, curve, raw, line, look)];
      const faint = { ...curve, name: `${curve.name}, each step` };
      const strong = { ...curve, name: `${curve.name}, smoothed` };
      return [
        trace(i, faint, raw, { ...line, width: 1 }, { ...look, opacity: dark ? FAINT_ON_DARK : FAINT }),
        trace(i, strong, smoothed(log, curve.metric, smoothing), { ...line, width: 2 }, look),
      ];
    }),
  );
}

/**
 * Another run: its losses and bits per byte in one colour, training drawn through, validation dotted.
 * @param {string} name
 * @param {{log: Log, color: string}} other
 * @param {Panel[]} panels
 * @param {number} smoothing
 */
export function tracesOfOther(name, { log, color }, panels, smoothing) {
  const drawn = panels.flatMap(({ key, curves }, i) => {
    const shown = COMPARED.includes(key) ? curves.filter(({ metric }) => has(log, metric)) : [];
    return shown.map((curve) => {
      const data = curve.markers ? points(log, curve.metric) : smoothed(log, curve.metric, smoothing);
      const line = { color, width: 1.5, dash: curve.markers ? "dot" : "dash" };
      const look = { marker: { color, size: 6, symbol: "circle-open" }, legendgroup: name, showlegend: false };
      return trace(i, { ...curve, name: `${name}, ${curve.name}` }, data, line, look);
    });
  });
  const inLegend = drawn.find(({ xaxis }) => xaxis === "x");
  if (inLegend) Object.assign(inLegend, { showlegend: true, name });
  return drawn;
}

/**
 * The lines that are in sight, as Plotly's shapes.
 * @param {Panel[]} panels
 * @param {Record<string, import("./panels.js").Line[]>} lines
 * @param {any[]} data the traces
 * @param {string} color
 */
export function shapesOf(panels, lines, data, color) {
  return panels.flatMap(({ key }, i) => {
    const values = data.filter(({ yaxis }) => yaxis === axis("y", i)).flatMap(({ y }) => y);
    return linesInSight(lines[key] ?? [], values).map(({ y, text }) => ({
      type: "line",
      ...{ xref: `${axis("x", i)} domain`, x0: 0, x1: 1, yref: axis("y", i), y0: y, y1: y, layer: "above" },
      line: { color, width: 1, dash: "dash" },
      label: { text, textposition: "end", yanchor: "bottom", padding: 2, font: { color, size: 11 } },
    }));
  });
}

/**
 * The first panel over the whole width, the others below it side by side; all share the horizontal axis.
 * @param {Panel[]} panels
 * @param {number} width pixels
 * @param {{logX: boolean, logY: boolean}} options
 * @param {string} name of the run: another one's zoom is another
 */
export function layoutOf(panels, width, { logX, logY }, name) {
  const rows = Math.ceil((panels.length - 1) / COLUMNS);
  const inside = LARGE + rows * (GAP + SMALL);
  const between = 78 / Math.max(width, 300); // for the numbers and the title of an axis
  const across = (1 - between * (COLUMNS - 1)) / COLUMNS;
  const layout = {
    height: inside + TOP + BOTTOM,
    uirevision: name,
    margin: { l: 64, r: 12, t: TOP, b: BOTTOM },
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
  };
  panels.forEach(({ title, log, zero, tickformat }, i) => {
    const [row, column] = i ? [Math.floor((i - 1) / COLUMNS), (i - 1) % COLUMNS] : [-1, 0];
    const top = i ? inside - LARGE - GAP - row * (GAP + SMALL) : inside;
    const left = column * (across + between);
    const lowest = i ? i + COLUMNS >= panels.length : true;
    const font = { size: i ? 11 : 12 };
    const logarithmic = log && logY;
    layout[axis("xaxis", i)] = {
      domain: i ? [left, Math.min(1, left + across)] : [0, 1],
      anchor: axis("y", i),
      type: logX ? "log" : "linear",
      uirevision: `${name} ${logX}`,
      integer: true,
      nticks: i ? 5 : 0,
      ...(logX ? {} : { rangemode: "tozero" }),
      ...(i ? { matches: "x" } : {}),
      title: { text: lowest ? "optimiser step" : "", standoff: 4, font },
    };
    layout[axis("yaxis", i)] = {
      domain: [Math.max(0, top - (i ? SMALL : LARGE)) / inside, top / inside],
      anchor: axis("x", i),
      type: logarithmic ? "log" : "linear",
      uirevision: `${name} ${logarithmic}`,
      rangemode: zero ? "tozero" : "normal",
      tickformat,
      nticks: i ? 4 : 0,
      title: { text: title, standoff: 6, font },
    };
  });
  return layout;
}

/**
 * In small panels, which have no legend, the names of several curves stand above them.
 * @param {Panel[]} panels
 * @param {string} color
 */
export function namesOf(panels, color) {
  return panels.flatMap(({ curves }, i) =>
    !i || curves.length < 2
      ? []
      : [
          {
            text: curves.map((curve) => `<span style="color:${curve.color}">●</span> ${curve.name}`).join("  "),
            showarrow: false,
            font: { color, size: 10 },
            ...{ xref: `${axis("x", i)} domain`, x: 0, xanchor: "left" },
            ...{ yref: `${axis("y", i)} domain`, y: 1, yanchor: "bottom" },
          },
        ],
  );
}
