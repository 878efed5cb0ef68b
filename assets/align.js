// Align tab, beside the curves of a run: reward against KL, what the curves mean, and what the stage shows of itself
// (align_reward.js, align_dpo.js, align_ppo.js).
"use strict";

(() => {
  const { make, ask, cssColor, themed, plotOptions } = playground;
  const count = (n) => n.toLocaleString("en");

  // A plot with a title and the sentence that says what is seen.
  function picture(title, about, height) {
    const node = make("section", "pg-picture");
    const plot = make("div");
    plot.style.minHeight = `${height}px`;
    const sentence = make("p", "pg-note", about);
    node.append(make("h3", "", title), sentence, plot);
    const draw = (data, layout) => Plotly.react(plot, data, themed({ height, margin: { l: 62, r: 14, t: 12, b: 48 }, ...layout }), plotOptions);
    return { node, plot, sentence, draw };
  }

  // --- reward against KL ----------------------------------------------------------------------------------------------

  // The points of a series, in the order of steps.
  function series({ step, values }, { x, y }) {
    const at = step.map((_, i) => i).filter((i) => (values[x]?.[i] ?? null) !== null && (values[y]?.[i] ?? null) !== null);
    return { step: at.map((i) => step[i]), x: at.map((i) => values[x][i]), y: at.map((i) => values[y][i]) };
  }

  function tracesOf(log, figure, { series: all }) {
    const text = cssColor("--body-text-color");
    const found = all.map((about) => ({ ...about, ...series(log, about) })).filter(({ step }) => step.length);
    const last = Math.max(1, ...found.map(({ step }) => step.at(-1)));
    const start = { type: "scatter", mode: "markers", name: "the parent", x: [0], y: [0], marker: { symbol: "star", size: 13, color: text }, hovertemplate: "the parent<extra></extra>" };
    const drawn = found.map(({ name, symbol, step, x, y }, i) => ({
      type: "scatter", mode: "lines+markers", name, x, y, customdata: step, line: { color: text, width: 0.7, dash: i ? "dot" : "solid" },
      marker: {
        symbol, size: i || found.length === 1 ? 11 : 8, color: step, colorscale: figure.scale, cmin: 0, cmax: last, line: { color: text, width: 0.8 },
        showscale: i === 0, colorbar: { title: { text: "optimiser step", side: "right" }, thickness: 12, tickformat: ",~d" },
      },
      hovertemplate: `step %{customdata:,}<br>KL %{x:.2f} nats<br>${name} %{y:.3f}<extra></extra>`,
    }));
    return found.length ? [start, ...drawn] : [];
  }

  function againstKl(figure) {
    const frame = make("div");
    let [shown, kind] = [null, ""];
    const draw = (about, log) => {
      const wanted = figure.againstKl[about?.stage];
      const data = wanted ? tracesOf(log, figure, wanted) : [];
      frame.hidden = !data.length;
      if (!data.length) return;
      if (kind !== about.stage) {
        [shown, kind] = [picture(wanted.title, wanted.about, 340), about.stage];
        frame.replaceChildren(shown.node);
      }
      const color = cssColor("--body-text-color");
      const farthest = Math.max(...data.flatMap(({ x }) => x));
      const limits = Object.entries(about.limits ?? {}).filter(([, x]) => x < 1.3 * farthest);
      const shapes = limits.map(([name, x]) => ({
        type: "line", yref: "paper", y0: 0, y1: 1, x0: x, x1: x, line: { color, width: 1, dash: "dash" },
        label: { text: figure.limits[name], textposition: "end", yanchor: "top", textangle: 0, padding: 3, font: { color, size: 11 } },
      }));
      return shown.draw(data, {
        shapes, uirevision: about.stage, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" }, margin: { l: 62, r: 14, t: 30, b: 48 },
        xaxis: { title: { text: figure.kl }, rangemode: "tozero" }, yaxis: { title: { text: wanted.y } },
      });
    };
    return { node: frame, draw };
  }

  // --- what the curves mean -------------------------------------------------------------------------------------------

  function meanings() {
    const frame = make("details", "pg-meanings");
    const list = make("ul");
    frame.open = true;
    frame.append(make("summary", "", "What these curves say"), list);
    const draw = (panels, loss) => {
      const said = panels.map(({ key, about }) => (key === "loss" ? loss : about)).filter(Boolean);
      if (said.length === list.childElementCount) return;
      list.replaceChildren(...said.map(({ name, text }) => {
        const item = make("li");
        item.append(make("strong", "", `${name}:`), ` ${text}`);
        return item;
      }));
    };
    return { node: frame, draw };
  }

  // --- what the stage shows of itself, evaluation by evaluation --------------------------------------------------------

  // A slider over evaluations that stays at the latest one, unless somebody looks back.
  function timeline(choose) {
    const frame = make("label", "pg-choice pg-timeline", "after step");
    const slider = make("input");
    const shown = make("output", "pg-number-shown");
    Object.assign(slider, { type: "range", min: 0, step: 1 });
    slider.setAttribute("aria-label", "evaluation");
    let steps = [];
    const say = () => {
      shown.textContent = count(steps[slider.value] ?? 0);
      slider.setAttribute("aria-valuetext", `step ${shown.textContent}`);
    };
    slider.oninput = () => (say(), choose(Number(slider.value)));
    frame.append(slider, shown);
    const set = (newSteps) => {
      const latest = !steps.length || Number(slider.value) >= steps.length - 1;
      steps = newSteps;
      slider.max = steps.length - 1;
      if (latest) slider.value = steps.length - 1;
      frame.hidden = steps.length < 2;
      say();
      return Number(slider.value);
    };
    return { node: frame, set };
  }

  function stagePart(figure) {
    const frame = make("div", "pg-details-of-stage");
    const parts = { margins: playground.alignReward, pairs: playground.alignDpo, rollouts: playground.alignPpo };
    let [part, lines, at] = [null, [], null];
    const show = (index) => part.draw(lines, index);
    return {
      node: frame,
      begin: (stage) => {
        [part, lines] = [parts[figure.details[stage]]?.(figure) ?? null, []];
        at = timeline(show);
        frame.replaceChildren(...(part ? [at.node, part.node] : []));
        frame.hidden = true;
      },
      add: (news) => {
        if (!part) return;
        lines.push(...news.filter(part.holds));
        if (!lines.length) return;
        frame.hidden = false;
        if (news.length) return show(at.set(lines.map(({ step }) => step)));
      },
    };
  }

  // --- all of it, as the live view wants it ------------------------------------------------------------------------------

  function alignment(server) {
    const [above, below] = [make("div", "pg-aligned"), make("div")];
    let [name, figure, about, offset, turn] = ["", null, null, 0, 0];
    let [main, stage, words] = [null, null, null];
    return {
      above,
      below,
      begin: (newName, { alignment: newFigure }) => {
        [name, figure, about, offset, turn] = [newName, newFigure, null, 0, turn + 1];
        [main, stage, words] = [againstKl(figure), stagePart(figure), meanings()];
        above.replaceChildren(main.node, stage.node);
        below.replaceChildren(words.node);
      },
      restart: (newAbout) => {
        [about, offset, turn] = [newAbout, 0, turn + 1];
        stage.begin(about.stage);
      },
      update: async (curves) => {
        if (!about) return; // nothing has been written yet
        const mine = turn;
        const found = await ask(server.follow_details({ name, offset }));
        if (mine !== turn) return; // another run is looked at by now
        words.draw(curves.panels(), figure.losses[about.stage]);
        await main.draw(about, curves.log());
        if (found.error) return;
        offset = found.offset;
        await stage.add(found.lines);
      },
    };
  }

  Object.assign(playground, { picture, alignment });
})();
