// Align tab, a reward model: is it as certain as it is right, and how far are held-out answers apart?
"use strict";

(() => {
  const { make, cssColor, picture } = playground;
  const percent = (share) => `${Math.round(100 * share)} %`;

  function drawCalibration(shown, bins, { calibration, colors }) {
    const text = cssColor("--body-text-color");
    const line = { type: "scatter", mode: "lines", x: [0.5, 1], y: [0.5, 1], name: "as certain as right", line: { color: text, width: 1, dash: "dash" }, hoverinfo: "skip" };
    const most = Math.max(1, ...bins.map(({ count }) => count));
    const found = {
      type: "scatter", mode: "lines+markers+text", name: "reward model", x: bins.map(({ predicted }) => predicted), y: bins.map(({ observed }) => observed),
      text: bins.map(({ count }) => count), textposition: "top center", customdata: bins.map(({ count }) => count), line: { color: colors.right, width: 1.5 },
      marker: { color: colors.right, size: bins.map(({ count }) => 8 + 14 * Math.sqrt(count / most)) }, cliponaxis: false,
      hovertemplate: "predicted %{x:.0%}<br>agreed %{y:.0%}<br>%{customdata} votes<extra></extra>",
    };
    return shown.draw([line, found], {
      ...calibration, showlegend: false,
      xaxis: { ...calibration.xaxis, range: [0.48, 1.02], tickformat: ".0%" }, yaxis: { ...calibration.yaxis, range: [-0.05, 1.12], tickformat: ".0%" },
    });
  }

  function drawMargins(shown, margins, { margins: axes, colors }) {
    const far = Math.max(0.1, ...margins.map(Math.abs));
    const size = far / 10; // a bin begins at 0, so that none holds both right and wrong
    const bar = (name, color, some) => ({
      type: "histogram", name, x: some, xbins: { start: -far * 1.0001, end: far * 1.0001, size }, marker: { color }, hovertemplate: `margin %{x}<br>%{y} votes<extra>${name}</extra>`,
    });
    return shown.draw([bar("ranked wrong", colors.wrong, margins.filter((m) => m <= 0)), bar("ranked right", colors.right, margins.filter((m) => m > 0))], {
      ...axes, barmode: "overlay", bargap: 0.04, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" }, margin: { l: 62, r: 14, t: 30, b: 48 },
      xaxis: { ...axes.xaxis, range: [-1.05 * far, 1.05 * far], zeroline: true, zerolinewidth: 2 }, yaxis: { ...axes.yaxis, tickformat: ",d", rangemode: "tozero" },
    });
  }

  function alignReward(figure) {
    const node = make("div", "pg-two pg-halves");
    const certain = picture("Is it as certain as it is right?", "Calibration on held-out votes: on the dashed line it is right as often as it says; below it, it is too sure of itself. Numbers are votes.", 300);
    const apart = picture("How far apart are the answers?", "", 300);
    node.append(certain.node, apart.node);
    const draw = async (lines, index) => {
      const { margins, calibration } = lines[index];
      const right = margins.filter((margin) => margin > 0).length;
      apart.sentence.textContent = `Margins of held-out votes: to the right of 0 the preferred answer has the higher score. ${right} of ${margins.length} are ranked right (${percent(right / Math.max(1, margins.length))}).`;
      await drawCalibration(certain, calibration, figure);
      await drawMargins(apart, margins, figure);
    };
    return { node, draw, holds: ({ margins }) => Boolean(margins?.length) };
  }

  Object.assign(playground, { alignReward });
})();
