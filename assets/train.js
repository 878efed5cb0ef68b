// Train tab: a run, live.
"use strict";

(() => {
  const { make, isVisible, ask, follow, themed, plotOptions } = playground;

  const duration = (seconds) =>
    seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;

  function liveRun(element, props, watch, server, trigger) {
    const root = element.querySelector(".pg-run");
    let generation = 0; // a newer value silences the polling of an older one

    follow(props, watch, ({ name, figure }) => {
      const mine = ++generation;
      const state = make("p", "pg-state");
      state.setAttribute("role", "status");
      const bar = make("progress", "pg-progress");
      const plot = make("div", "pg-curves");
      const story = make("div", "pg-samples");
      root.replaceChildren(state, bar, plot, make("h3", "", "What it writes"), story);
      Object.assign(root.dataset, { run: name, points: 0, state: "" });
      let [cursor, drawn, wasActive] = [null, false, null];
      const began = { time: 0, step: 0 };

      const showStatus = ({ status, columns, restart }) => {
        const last = (metric) => columns[metric].findLast((v) => v !== null);
        if (restart || status.state !== "running") [began.time, began.step] = [Date.now(), status.step];
        const elapsed = Date.now() - began.time;
        const facts = [status.message];
        if (status.max_steps) facts.push(`step ${status.step.toLocaleString("en")} of ${status.max_steps.toLocaleString("en")}`);
        if (last("bpb/val") !== undefined) state.dataset.bpb = `validation ${last("bpb/val").toFixed(3)} bits per byte`;
        if (state.dataset.bpb) facts.push(state.dataset.bpb);
        if (elapsed > 2000 && status.step > began.step) {
          const left = ((status.max_steps - status.step) * elapsed) / (status.step - began.step);
          facts.push(`about ${duration(left / 1000)} left`);
        }
        const badge = make("strong", `pg-badge pg-${status.state}`, status.state);
        state.replaceChildren(badge, ` ${name} · ${facts.join(" · ")}`);
        bar.max = Math.max(1, status.max_steps);
        bar.value = status.step;
      };

      const showCurves = async ({ columns, restart }) => {
        const steps = columns.step;
        const points = figure.metrics.map((metric) => {
          const kept = steps.map((_, i) => i).filter((i) => columns[metric][i] !== null);
          return { x: kept.map((i) => steps[i]), y: kept.map((i) => columns[metric][i]) };
        });
        if (restart || !drawn) {
          drawn = true;
          story.replaceChildren();
          const data = figure.data.map((trace, i) => ({ ...trace, ...points[i] }));
          await Plotly.react(plot, data, themed(figure.layout), plotOptions);
        } else if (steps.length) {
          const which = points.map((_, i) => i).filter((i) => points[i].x.length);
          await Plotly.extendTraces(plot, { x: which.map((i) => points[i].x), y: which.map((i) => points[i].y) }, which);
        }
      };

      const showSamples = (samples) => {
        for (const { step, prompt, text } of samples) {
          const sample = make("figure", "pg-sample");
          const words = make("blockquote");
          words.append(make("span", "pg-prompt", prompt), text);
          sample.append(make("figcaption", "", `after step ${step.toLocaleString("en")}`), words);
          story.prepend(sample);
        }
      };

      const poll = async () => {
        if (mine !== generation || !root.isConnected) return;
        let active = true;
        if (isVisible(root)) {
          const news = await ask(server.follow_run({ name, cursor }));
          if (mine !== generation) return;
          if (news.error) {
            state.replaceChildren(make("span", "pg-error", news.error));
            setTimeout(poll, 2000); // the playground may come back
            return;
          }
          await showCurves(news);
          showStatus(news);
          showSamples(news.samples);
          [cursor, active] = [news.cursor, news.status.active];
          Object.assign(root.dataset, { points: plot.data[0].x.length, state: news.status.state });
          if (wasActive !== null && wasActive !== active) trigger("changed"); // ended, or begun again
          wasActive = active;
        }
        setTimeout(poll, active ? 1000 : 5000);
      };
      poll();
    });
  }

  Object.assign(playground, { liveRun });
})();
