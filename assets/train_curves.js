// Train tab: the curves of a run. What its log holds decides which panels there are.
"use strict";

(() => {
  const { themed, plotOptions } = playground;
  const [LARGE, SMALL, GAP, TOP, BOTTOM] = [300, 120, 62, 36, 52]; // heights in pixels
  const [COLUMNS, MOST_MARKERS] = [2, 60];

  // --- a log, as columns that grow ----------------------------------------------------------------------------------

  const newLog = () => ({ step: [], values: {}, means: {} });

  // Append rows. A metric that they, or the rows before them, do not have is null there. See playground/services/run_log.py.
  function extendLog(log, { columns, means }) {
    const before = log.step.length;
    log.step.push(...columns.step);
    for (const metric of Object.keys(columns)) {
      if (metric === "step") continue;
      log.values[metric] ??= Array(before).fill(null);
      log.means[metric] ??= Array(before).fill(null);
      log.values[metric].push(...columns[metric]);
      log.means[metric].push(...(means[metric] ?? columns[metric]));
    }
    for (const column of [...Object.values(log.values), ...Object.values(log.means)])
      while (column.length < log.step.length) column.push(null);
    return log;
  }

  function points(log, column = []) {
    const kept = log.step.map((_, i) => i).filter((i) => (column[i] ?? null) !== null);
    return { x: kept.map((i) => log.step[i]), y: kept.map((i) => column[i]) };
  }

  // The debiased exponential average, as in TensorBoard; a row that stands for several steps counts as often.
  function smoothed(log, metric, smoothing) {
    const { x, y } = points(log, log.means[metric]);
    let [sum, weight] = [0, 0];
    return {
      x,
      y: y.map((value, i) => {
        const keep = smoothing ** (i ? Math.max(1, x[i] - x[i - 1]) : 1);
        [sum, weight] = [sum * keep + value * (1 - keep), weight * keep + 1 - keep];
        return sum / weight;
      }),
    };
  }

  // --- panels -------------------------------------------------------------------------------------------------------

  const has = (log, metric) => log.values[metric]?.some((value) => value !== null);

  // Those of the figure whose metrics the log has, or will have in this stage, then one for each metric that the figure does not know.
  function panelsOf(log, figure, stage) {
    const known = new Set(figure.panels.flatMap(({ curves }) => curves.map(({ metric }) => metric)));
    const named = figure.panels.map((panel) => ({ ...panel, curves: panel.curves.filter(({ metric }) => has(log, metric)) }));
    const unnamed = Object.keys(log.values).filter((metric) => !known.has(metric) && has(log, metric));
    const own = unnamed.map((metric) => {
      const markers = log.values[metric].filter((value) => value !== null).length < log.step.length / 2;
      const curve = { metric, name: metric, color: figure.others[0], smooth: !markers, markers };
      return { key: metric, title: metric, curves: [curve], log: false, zero: false, tickformat: "~g" };
    });
    const found = [...named, ...own].filter(({ curves, of = [] }) => curves.length || of.includes(stage));
    return found.length ? found : [{ ...figure.panels[0], curves: [] }];
  }

  const axis = (letter, i) => letter + (i ? i + 1 : "");

  const trace = (i, { name, markers }, data, line, look = {}) => ({
    type: "scatter", mode: markers && data.x.length <= MOST_MARKERS ? "lines+markers" : "lines", name, ...data, xaxis: axis("x", i), yaxis: axis("y", i),
    line, marker: { color: line.color, size: 6 }, hovertemplate: `step %{x:,}<br>${name} %{y:.4g}<extra></extra>`, ...look,
  });

  function tracesOf(log, panels, { smoothing }) {
    const faintness = document.body.classList.contains("dark") ? 0.55 : 0.35;
    return panels.flatMap(({ curves }, i) =>
      curves.flatMap((curve) => {
        const raw = points(log, log.values[curve.metric]);
        const line = { color: curve.color, width: curve.markers ? 2 : 1.5 };
        const look = { showlegend: i === 0 };
        if (!curve.smooth || !smoothing) return [trace(i, curve, raw, line, look)];
        const faint = { ...curve, name: `${curve.name}, each step` };
        const strong = { ...curve, name: `${curve.name}, smoothed` };
        return [
          trace(i, faint, raw, { ...line, width: 1 }, { ...look, opacity: faintness }),
          trace(i, strong, smoothed(log, curve.metric, smoothing), { ...line, width: 2 }, look),
        ];
      }),
    );
  }

  // Another run: its losses and bits per byte in one colour, training drawn through, validation dotted.
  function tracesOfOther(name, { log, color }, panels, { smoothing }) {
    const drawn = panels.flatMap(({ key, curves }, i) =>
      ["loss", "bpb"].includes(key)
        ? curves.filter(({ metric }) => has(log, metric)).map((curve) => {
            const data = curve.markers ? points(log, log.values[curve.metric]) : smoothed(log, curve.metric, smoothing);
            const line = { color, width: 1.5, dash: curve.markers ? "dot" : "dash" };
            const look = { marker: { color, size: 6, symbol: "circle-open" }, legendgroup: name, showlegend: false };
            return trace(i, { ...curve, name: `${name}, ${curve.name}` }, data, line, look);
          })
        : [],
    );
    const inLegend = drawn.find(({ xaxis }) => xaxis === "x");
    if (inLegend) Object.assign(inLegend, { showlegend: true, name });
    return drawn;
  }

  // --- what the curves are seen against -----------------------------------------------------------------------------

  // {panel: [{ y, text, target }]}: a target is always in sight, anything else only where the curves come near it.
  function linesOf(about, figure) {
    const { references = {}, corpus = "", grad_clip = null } = about ?? {};
    const published = figure.published.filter((entry) => entry.corpus === corpus);
    const apart = Object.entries(references).filter(([, y], i, all) => all.slice(0, i).every(([, other]) => Math.abs(y / other - 1) > 0.02));
    return {
      loss: apart.map(([key, y]) => ({ y, text: `${figure.references[key] ?? key}, ${y.toFixed(2)}` })),
      bpb: published.map(({ name, bits_per_byte: y }) => ({ y, text: `${name}: ${y.toFixed(3)}`, target: true })),
      grad_norm: grad_clip ? [{ y: grad_clip, text: `clipped to ${grad_clip}` }] : [],
    };
  }

  function shapesOf(panels, lines, data, color) {
    return panels.flatMap(({ key }, i) => {
      const near = data.filter(({ yaxis }) => yaxis === axis("y", i)).flatMap(({ y }) => y);
      const [low, high] = near.reduce(([low, high], y) => [Math.min(low, y), Math.max(high, y)], [Infinity, -Infinity]);
      return (lines[key] ?? []).filter(({ y, target }) => near.length && (target || (y > low * 0.95 && y < high * 1.05))).map(({ y, text }) => ({
        type: "line", xref: `${axis("x", i)} domain`, x0: 0, x1: 1, yref: axis("y", i), y0: y, y1: y, layer: "above",
        line: { color, width: 1, dash: "dash" },
        label: { text, textposition: "end", yanchor: "bottom", padding: 2, font: { color, size: 11 } },
      }));
    });
  }

  // --- layout -------------------------------------------------------------------------------------------------------

  // The first panel over the whole width, the others below it side by side; all share the horizontal axis.
  function layoutOf(panels, width, { logX, logY }, name) {
    const rows = Math.ceil((panels.length - 1) / COLUMNS);
    const inside = LARGE + rows * (GAP + SMALL);
    const between = 78 / Math.max(width, 300); // for the numbers and the title of an axis
    const across = (1 - between * (COLUMNS - 1)) / COLUMNS;
    const layout = {
      height: inside + TOP + BOTTOM, uirevision: name, margin: { l: 64, r: 12, t: TOP, b: BOTTOM },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
    };
    panels.forEach(({ title, log, zero, tickformat }, i) => {
      const [row, column] = i ? [Math.floor((i - 1) / COLUMNS), (i - 1) % COLUMNS] : [-1, 0];
      const top = i ? inside - LARGE - GAP - row * (GAP + SMALL) : inside;
      const left = column * (across + between);
      const lowest = i ? i + COLUMNS >= panels.length : true;
      layout[axis("xaxis", i)] = {
        domain: i ? [left, Math.min(1, left + across)] : [0, 1], anchor: axis("y", i), type: logX ? "log" : "linear", uirevision: `${name} ${logX}`,
        tickformat: ",~d", nticks: i ? 5 : 0, ...(logX ? { dtick: 1 } : { rangemode: "tozero" }), ...(i ? { matches: "x" } : {}),
        title: { text: lowest ? "optimiser step" : "", standoff: 4, font: { size: i ? 11 : 12 } },
      };
      layout[axis("yaxis", i)] = {
        domain: [Math.max(0, top - (i ? SMALL : LARGE)) / inside, top / inside], anchor: axis("x", i), type: log && logY ? "log" : "linear",
        uirevision: `${name} ${log && logY}`, rangemode: zero ? "tozero" : "normal", tickformat, nticks: i ? 4 : 0,
        title: { text: title, standoff: 6, font: { size: i ? 11 : 12 } },
      };
    });
    return layout;
  }

  // In small panels, which have no legend, the names of several curves stand above them.
  function namesOf(panels, color) {
    return panels.flatMap(({ curves }, i) =>
      !i || curves.length < 2 ? [] : [{
        text: curves.map((curve) => `<span style="color:${curve.color}">●</span> ${curve.name}`).join("  "), showarrow: false, font: { color, size: 10 },
        xref: `${axis("x", i)} domain`, x: 0, xanchor: "left", yref: `${axis("y", i)} domain`, y: 1, yanchor: "bottom",
      }],
    );
  }

  // The curves in `plot`: `begin` a run, `add` rows to it, `draw`. Zoom and hidden curves stay as they are meanwhile.
  function runCurves(plot, options) {
    let [name, figure, about, log] = ["", null, null, newLog()];
    let [held, missed, drawnWidth] = [false, false, 0];

    const draw = async () => {
      if (!figure) return; // nothing has been looked at yet
      if (held) return void (missed = true);
      const panels = panelsOf(log, figure, about?.stage);
      if (panels[0].key === "loss") panels[0].title = `loss (${figure.units[about?.stage] ?? "nats per token"})`;
      const others = [...options.others].flatMap(([other, found]) => tracesOfOther(other, found, panels, options));
      const data = [...tracesOf(log, panels, options), ...others];
      drawnWidth = plot.clientWidth;
      const layout = themed(layoutOf(panels, drawnWidth, options, name));
      layout.annotations = namesOf(panels, layout.font.color);
      layout.shapes = shapesOf(panels, linesOf(about, figure), data, layout.font.color);
      plot.style.height = `${layout.height}px`;
      await Plotly.react(plot, data, layout, plotOptions);
    };

    // A plot that is redrawn while it is dragged loses the drag.
    plot.addEventListener("pointerdown", () => (held = true), true);
    addEventListener("pointerup", () => {
      held = false;
      if (missed) setTimeout(draw);
      missed = false;
    });
    const fit = () => plot.data && plot.clientWidth && plot.clientWidth !== drawnWidth && draw();
    new ResizeObserver(() => requestAnimationFrame(fit)).observe(plot); // drawing changes the height: not while observed

    return {
      log: () => log,
      begin: (newName, newFigure) => ([name, figure, about, log] = [newName, newFigure, null, newLog()]),
      restart: (newAbout) => ([about, log] = [newAbout, newLog()]),
      add: (news) => extendLog(log, news),
      published: () => figure.published.filter(({ corpus }) => corpus === about?.corpus && has(log, "bpb/val")),
      panels: () => panelsOf(log, figure, about?.stage),
      draw,
    };
  }

  Object.assign(playground, { newLog, extendLog, runCurves });
})();
