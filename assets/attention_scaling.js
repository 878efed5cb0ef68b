// Attention tab, why scores are divided by the square root of d_k: the lab for one head, and two trainings.
"use strict";

(() => {
  const { make, ask, isVisible, themed, plotOptions, colorTable } = playground;
  const { focus, onFocus, latest, oneAtATime, button, facts, paintHead, bytesOf } = playground;

  // --- the lab -----------------------------------------------------------------------------------------------------

  const PLACES = [[0, "no scaling"], [0.5, "÷ √d_k, as in every GPT"], [1, "÷ d_k"], [1.5, "too much"]];

  function scalingLab(element, server) {
    const root = element.querySelector(".pg-lab");
    const slider = make("input");
    Object.assign(slider, { type: "range", min: 0, max: 1.5, step: 0.05, value: 0.5, id: "scaling-power" });
    slider.setAttribute("aria-label", "power p: scores are divided by d_k to the power p");
    const places = make("div", "pg-places");
    for (const [power, text] of PLACES)
      places.append(button(text, () => ((slider.value = power), move())));
    const said = make("p", "pg-said-scale");
    const canvas = make("canvas", "pg-scaled-head");
    const numbers = make("div");
    const softmax = make("div", "pg-plot");
    const variance = make("div", "pg-plot");
    const problem = make("div");
    const fetchLab = latest(problem);
    const title = make("h3");
    const now = make("div", "pg-scaled");
    now.append(canvas, numbers);
    const plots = make("div", "pg-two pg-halves");
    const why = make("div");
    why.append(variance, make("p", "pg-note", "Theory: the product of d independent numbers of variance 1 has variance d. Here q and k are brought to variance 1 in each dimension first; where this head leaves the line, its dimensions are not independent: training made them so."));
    const what = make("div");
    what.append(softmax, make("p", "pg-note", "Near the left edge one token takes all, and hardly any gradient passes; near the right edge the head looks at everything alike and has nothing to say. The line is where you are."));
    plots.append(what, why);
    root.replaceChildren(problem, title, slider, places, said, now, plots);
    let d_k = 0;

    const show = oneAtATime(async () => {
      const { key, layer, head } = focus;
      const power = Number(slider.value);
      const found = await ask(server.at_power({ key, layer, head, power }));
      if (found.error) return problem.replaceChildren(make("p", "pg-error", found.error));
      problem.replaceChildren();
      paintHead(canvas, bytesOf(found.weights), 0, found.tokens.length, colorTable(found.scale));
      said.textContent = `Scores are multiplied by ${found.factor.toPrecision(3)} (d_k = ${d_k}, p = ${power.toFixed(2)}).`;
      numbers.replaceChildren(
        facts([
          ["spread of the scores (standard deviation)", found.spread.toFixed(2)],
          ["entropy of the softmax, bits", found.entropy.toFixed(2)],
          ["largest weight, mean", found.largest.toFixed(3)],
          ["gradient through the softmax", found.gradient.toFixed(3)],
          ["loss on this text if all heads did so, nats a token", `${found.loss.toFixed(2)} (now ${found.usual_loss.toFixed(2)})`],
        ]),
      );
    });

    const move = () => {
      show();
      const power = Number(slider.value);
      const here = { type: "line", x0: power, x1: power, y0: 0, y1: 1, yref: "paper", line: { width: 2, color: "#888" } };
      if (softmax.data) Plotly.relayout(softmax, { shapes: [here] });
    };
    slider.oninput = move;

    onFocus(root, async () => {
      const { key, layer, head } = focus;
      const found = await fetchLab(server.lab({ key, layer, head }));
      if (!found) return;
      problem.replaceChildren();
      d_k = found.d_k;
      title.textContent = `Layer ${layer + 1}, head ${head + 1} of ${key.model}`;
      await Plotly.react(softmax, found.softmax.data, themed(found.softmax.layout), plotOptions);
      await Plotly.react(variance, found.variance.data, themed(found.variance.layout), plotOptions);
      move();
    });
  }

  // --- two trainings -----------------------------------------------------------------------------------------------

  function twoTrainings(element, server) {
    const root = element.querySelector(".pg-experiment");
    const plot = make("div", "pg-plot");
    const state = make("p", "pg-state");
    state.setAttribute("role", "status");
    const start = button("Train with and without √d_k", () => begin(true), "pg-button pg-primary");
    start.id = "experiment-start";
    const note = make("p", "pg-note", "A small model with GPT-2's small initial weights begins with scores near 0, so it often learns about as well without the division; the lab above shows what a head loses once its q and k have grown.");
    root.replaceChildren(start, state, plot, note);
    let generation = 0;

    const begin = async (wanted) => {
      start.disabled = true;
      const { runs, figure, error } = await ask(server.experiment({ start: wanted }));
      start.disabled = false;
      if (error) return state.replaceChildren(make("span", "pg-error", error));
      if (!runs.length) return (state.textContent = "Two runs of 300 steps, one after the other: about half a minute each on a laptop.");
      await Plotly.react(plot, figure.data, themed(figure.layout), plotOptions);
      watchRuns(runs, ++generation);
    };

    const watchRuns = (runs, mine) => {
      const cursors = [null, null];
      const last = [null, null];
      const poll = async () => {
        if (mine !== generation || !root.isConnected) return;
        let active = true;
        if (isVisible(root)) {
          active = false;
          const texts = [];
          for (const [i, name] of runs.entries()) {
            const news = await ask(server.follow({ name, cursor: cursors[i] }));
            if (mine !== generation) return;
            if (news.error) return void state.replaceChildren(make("span", "pg-error", news.error));
            const { step, "loss/train": loss = [] } = news.columns;
            if (news.restart) await Plotly.restyle(plot, { x: [step], y: [loss] }, [i]);
            else if (step.length) await Plotly.extendTraces(plot, { x: [step], y: [loss] }, [i]);
            cursors[i] = news.cursor;
            active ||= news.status.active;
            if (loss.length) last[i] = loss.slice(-20).reduce((sum, value) => sum + value, 0) / Math.min(20, loss.length);
            const { state: what, step: at, max_steps, message } = news.status;
            texts.push(`${name}: ${what === "created" ? message : `${what}, step ${at} of ${max_steps}`}${last[i] === null ? "" : `, loss ${last[i].toFixed(3)}`}`);
          }
          state.textContent = texts.join(" · ");
          root.dataset.active = active;
          root.dataset.points = plot.data.map((trace) => trace.x.length).join(",");
        }
        if (active) setTimeout(poll, 1000);
      };
      poll();
    };

    new IntersectionObserver((entries, observer) => {
      if (!isVisible(root)) return;
      observer.disconnect();
      begin(false); // whoever comes back finds the latest two
    }).observe(root);
  }

  Object.assign(playground, { scalingLab, twoTrainings });
})();
