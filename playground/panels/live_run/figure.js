// The curves of a run as Plotly's traces and layout: a large panel, or a grid of small ones. No drawing.

import { has, points, smoothed } from "./log.js";
import { linesInSight } from "./panels.js";

const [LARGE, SMALL, GAP, TOP, BOTTOM] = [300, 120, 62, 36, 52]; // heights in pixels
const [NARROWEST, MOST_MARKERS] = [320, 60]; // pixels of a small panel
const SMOOTH = 0.9; // of the curve on which marks stand between evaluations
const [FAINT, FAINT_ON_DARK] = [0.35, 0.55]; // each step, behind its smoothed curve

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
 * @param {boolean} legend has the figure one, for its first panel?
 */
export function tracesOf(log, panels, smoothing, dark = false, legend = true) {
  return panels.flatMap(({ curves }, i) =>
    curves.flatMap((curve) => {
      const raw = points(log, curve.metric);
      const line = { color: curve.color, width: curve.markers ? 2 : 1.5 };
      const look = { showlegend: legend && i === 0 };
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
 * Another run in one colour, in every panel: what is measured at every step dashed, evaluations dotted.
 * @param {string} name
 * @param {{log: Log, color: string}} other
 * @param {Panel[]} panels
 * @param {number} smoothing
 * @param {boolean} legend
 */
export function tracesOfOther(name, { log, color }, panels, smoothing, legend = true) {
  const drawn = panels.flatMap(({ curves }, i) => {
    const shown = curves.filter(({ metric }) => has(log, metric));
    return shown.map((curve) => {
      const data = curve.markers ? points(log, curve.metric) : smoothed(log, curve.metric, smoothing);
      const line = { color, width: 1.5, dash: curve.markers ? "dot" : "dash" };
      const look = { marker: { color, size: 6, symbol: "circle-open" }, legendgroup: name, showlegend: false };
      return trace(i, { ...curve, name: `${name}, ${curve.name}` }, data, line, look);
    });
  });
  const inLegend = drawn.find(({ xaxis }) => xaxis === "x");
  if (legend && inLegend) Object.assign(inLegend, { showlegend: true, name });
  return drawn;
}

const WRAP = 64; // characters of a line of what is said at a mark

// Plotly reads what it is given as markup, and a model may have written it.
const asText = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const wrapped = (text) =>
  asText(text)
    .split(" ")
    .reduce((lines, word) => {
      const last = lines.at(-1);
      return last && last.length + word.length < WRAP ? [...lines.slice(0, -1), `${last} ${word}`] : [...lines, word];
    }, [])
    .join("<br>");

/**
 * Marks on the loss curve where something was learned, each with its number and what is said of it; the one that is
 * pointed at is larger. On the held-out loss where that was measured, else on the loss of the training.
 * @param {Log} log
 * @param {import("./skills.js").Mark[]} marks
 * @param {number | null} pointed the number of a mark
 * @param {{color: string, inside: string}} colors
 */
export function markTrace(log, marks, pointed, { color, inside }) {
  const [held, trained] = [points(log, "loss/val"), smoothed(log, "loss/train", SMOOTH)];
  const near = ({ x, y }, step) =>
    y[x.reduce((best, at, i) => (Math.abs(at - step) < Math.abs(x[best] - step) ? i : best), 0)];
  const at = (step) => (held.x.includes(step) ? held.y[held.x.indexOf(step)] : near(trained, step));
  const said = ({ skills }) =>
    skills.map(({ title, evidence }) => `<b>${asText(title)}</b><br>${wrapped(evidence)}`).join("<br>");
  return {
    type: "scatter",
    mode: "markers+text",
    name: "learned",
    x: marks.map(({ step }) => step),
    y: marks.map(({ step }) => at(step) ?? null),
    text: marks.map(({ number }) => String(number)),
    textposition: "middle center",
    textfont: { color: inside, size: 11 },
    customdata: marks.map(said),
    hovertemplate: "step %{x:,}<br>%{customdata}<extra></extra>",
    hoverlabel: { align: "left" },
    marker: {
      symbol: "circle",
      size: marks.map(({ number }) => (number === pointed ? 26 : 17)),
      opacity: 1,
      color,
      line: { color: inside, width: 1 },
    },
    showlegend: true,
  };
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
 * One large panel.
 * @param {Panel} panel
 * @param {{logX: boolean, logY: boolean}} options
 * @param {string} name of the run: another one's zoom is another
 */
export const largeLayout = (panel, options, name) => ({
  height: LARGE + TOP + BOTTOM,
  uirevision: name,
  margin: { l: 64, r: 12, t: TOP, b: BOTTOM },
  legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
  ...axesOf(panel, 0, options, name, { across: [0, 1], up: [0, 1], titled: true, size: 12 }),
});

/**
 * Small panels side by side, which share the horizontal axis.
 * @param {Panel[]} panels
 * @param {number} width pixels
 * @param {{logX: boolean, logY: boolean}} options
 * @param {string} name of the run
 */
export function gridLayout(panels, width, options, name) {
  const columns = Math.max(1, Math.min(3, panels.length, Math.floor(width / NARROWEST)));
  const rows = Math.ceil(panels.length / columns);
  const inside = rows * (SMALL + GAP) - GAP;
  const between = 78 / Math.max(width, 300); // for the numbers and the title of an axis
  const wide = (1 - between * (columns - 1)) / columns;
  const layout = {
    height: inside + TOP + BOTTOM,
    uirevision: name,
    margin: { l: 64, r: 12, t: TOP, b: BOTTOM },
  };
  panels.forEach((panel, i) => {
    const [left, top] = [(i % columns) * (wide + between), inside - Math.floor(i / columns) * (SMALL + GAP)];
    const place = { across: [left, Math.min(1, left + wide)], up: [Math.max(0, top - SMALL) / inside, top / inside] };
    Object.assign(
      layout,
      axesOf(panel, i, options, name, { ...place, titled: i + columns >= panels.length, size: 11 }),
    );
  });
  return layout;
}

// The axes of the panel at place `i`; its vertical one says what is drawn.
function axesOf({ title, log, zero, tickformat }, i, { logX, logY }, name, { across, up, titled, size }) {
  const [logarithmic, font] = [log && logY, { size }];
  const few = size < 12;
  return {
    [axis("xaxis", i)]: {
      domain: across,
      anchor: axis("y", i),
      type: logX ? "log" : "linear",
      uirevision: `${name} ${logX}`,
      integer: true,
      nticks: few ? 5 : 0,
      ...(logX ? {} : { rangemode: "tozero" }),
      ...(i ? { matches: "x" } : {}),
      title: { text: titled ? "optimiser step" : "", standoff: 4, font },
    },
    [axis("yaxis", i)]: {
      domain: up,
      anchor: axis("x", i),
      type: logarithmic ? "log" : "linear",
      uirevision: `${name} ${logarithmic}`,
      rangemode: zero ? "tozero" : "normal",
      tickformat,
      nticks: few ? 4 : 0,
      title: { text: title, standoff: 6, font },
    },
  };
}

/**
 * In small panels, which have no legend, the names of several curves stand above them.
 * @param {Panel[]} panels
 * @param {string} color
 */
export function namesOf(panels, color) {
  return panels.flatMap(({ curves }, i) =>
    curves.length < 2
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
