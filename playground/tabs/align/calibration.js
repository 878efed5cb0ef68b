// A reward model: is it as certain as it is right, and how far are held-out answers apart?

import { cssColor } from "../../../assets/colors.js";
import { make } from "../../../assets/dom.js";
import { LEGEND_ABOVE, MARGIN_BELOW_LEGEND, picture } from "../../../assets/pictures.js";
import { wholePercent } from "../../../assets/rates.js";

const HEIGHT = 300;

function drawCalibration(shown, bins, { calibration, colors }) {
  const dashed = { color: cssColor("--body-text-color"), width: 1, dash: "dash" };
  const honest = { name: "as certain as right", x: [0.5, 1], y: [0.5, 1], line: dashed, hoverinfo: "skip" };
  const counts = bins.map(({ count }) => count);
  const most = Math.max(1, ...counts);
  const found = {
    ...{ type: "scatter", mode: "lines+markers+text", name: "reward model" },
    x: bins.map(({ predicted }) => predicted),
    y: bins.map(({ observed }) => observed),
    ...{ text: counts, textposition: "top center", customdata: counts, line: { color: colors.right, width: 1.5 } },
    marker: { color: colors.right, size: counts.map((count) => 8 + 14 * Math.sqrt(count / most)) },
    cliponaxis: false,
    hovertemplate: "predicted %{x:.0%}<br>agreed %{y:.0%}<br>%{customdata} votes<extra></extra>",
  };
  return shown.draw([{ type: "scatter", mode: "lines", ...honest }, found], {
    ...calibration,
    showlegend: false,
    xaxis: { ...calibration.xaxis, range: [0.48, 1.02], tickformat: ".0%" },
    yaxis: { ...calibration.yaxis, range: [-0.05, 1.12], tickformat: ".0%" },
  });
}

function drawMargins(shown, margins, { margins: axes, colors }) {
  const far = Math.max(0.1, ...margins.map(Math.abs));
  // A bin begins at 0, so that none holds both right and wrong.
  const xbins = { start: -far * 1.0001, end: far * 1.0001, size: far / 10 };
  const bar = (name, color, x) => {
    const hovertemplate = `margin %{x}<br>%{y} votes<extra>${name}</extra>`;
    return { type: "histogram", name, x, xbins, marker: { color }, hovertemplate };
  };
  const [wrong, right] = [margins.filter((m) => m <= 0), margins.filter((m) => m > 0)];
  return shown.draw([bar("ranked wrong", colors.wrong, wrong), bar("ranked right", colors.right, right)], {
    ...axes,
    ...{ barmode: "overlay", bargap: 0.04, legend: LEGEND_ABOVE, margin: MARGIN_BELOW_LEGEND },
    xaxis: { ...axes.xaxis, range: [-1.05 * far, 1.05 * far], zeroline: true, zerolinewidth: 2 },
    yaxis: { ...axes.yaxis, integer: true, rangemode: "tozero" },
  });
}

/**
 * How many of the held-out votes are ranked right.
 * @param {number[]} margins
 */
export function marginsText(margins) {
  const right = margins.filter((margin) => margin > 0).length;
  const share = wholePercent(right / Math.max(1, margins.length));
  return (
    "Margins of held-out votes: to the right of 0 the preferred answer has the higher score. " +
    `${right} of ${margins.length} are ranked right (${share}).`
  );
}

const ABOUT =
  "Calibration on held-out votes: on the dashed line it is right as often as it says; below it, it is too sure of " +
  "itself. Numbers are votes.";

/**
 * @param {any} figure see playground/tabs/align/pictures.py
 * @returns {import("./details.js").Picture}
 */
export function calibration(figure) {
  const root = make("div", "pg-two pg-halves");
  const certain = picture("Is it as certain as it is right?", ABOUT, HEIGHT);
  const apart = picture("How far apart are the answers?", "", HEIGHT);
  root.append(certain.root, apart.root);
  const draw = async (lines, index) => {
    const { margins, calibration: bins } = lines[index];
    apart.sentence.textContent = marginsText(margins);
    await drawCalibration(certain, bins, figure);
    await drawMargins(apart, margins, figure);
  };
  return { root, draw };
}
