// Attention tab, panels with more than one set of weights: a run's time-lapse, and two models side by side.
"use strict";

(() => {
  const { make, ask, themed, plotOptions, colorTable } = playground;
  const { focus, setFocus, onFocus, latest, button, choice, facts } = playground;
  const { headButtons, paintHeads, arrange, describeHead, drawMatrix } = playground;

  // --- time-lapse --------------------------------------------------------------------------------------------------

  function timelapse(element, server) {
    const root = element.querySelector(".pg-timelapse");
    const tools = make("div", "pg-tools");
    const slider = make("input");
    Object.assign(slider, { type: "range", min: 0, max: 0, step: 1, value: 0, id: "timelapse-step" });
    slider.setAttribute("aria-label", "snapshot");
    const state = make("p", "pg-note");
    state.setAttribute("role", "status");
    const title = make("h3");
    const grid = make("div");
    const plot = make("div", "pg-plot");
    const left = make("div");
    left.append(title, grid);
    const right = make("div");
    right.append(plot);
    const both = make("div", "pg-two");
    both.append(left, right);
    const problem = make("div");
    root.replaceChildren(problem, tools, slider, state, both);
    const fetchRun = latest(problem);
    let [generation, run, frames, film, buttons, timer] = [0, null, [], null, [], null];

    const play = button("Play", () => (timer ? halt() : start()));
    const halt = () => {
      clearInterval(timer);
      [timer, play.textContent] = [null, "Play"];
    };
    const start = () => {
      if (Number(slider.value) >= frames.length - 1) slider.value = 0;
      play.textContent = "Pause";
      timer = setInterval(() => {
        if (Number(slider.value) >= frames.length - 1) return halt();
        slider.value = Number(slider.value) + 1;
        show();
      }, 600);
      show();
    };

    const show = () => {
      const at = Number(slider.value);
      const frame = frames[at];
      if (!frame) return;
      const T = frame.tokens.length;
      if (buttons.length !== frame.n_layer * frame.n_head) {
        buttons = headButtons(frame, () => {});
        arrange(grid, buttons, frame);
      }
      paintHeads(buttons, frame.weights, T, colorTable(frame.scale));
      buttons.forEach((node, i) => describeHead(node, i, frame, "test"));
      const named = frame.heads.test.names.filter(Boolean).length;
      title.textContent = `${run}, after step ${film.steps[at].toLocaleString("en")}: loss on this text ${frame.loss?.toFixed(2) ?? "–"}, ${named} of ${buttons.length} heads recognised`;
      const x = film.figure.places[at];
      const here = { type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line: { width: 2, color: "#888" } };
      Plotly.relayout(plot, { shapes: [here] });
      Object.assign(root.dataset, { step: film.steps[at], frames: frames.length });
    };
    slider.oninput = () => {
      halt();
      show();
    };

    // All snapshots are looked at once, one after the other; from then on the slider needs nobody.
    const load = async () => {
      const mine = ++generation;
      halt();
      const found = await fetchRun(server.begin({ key: focus.key, run }));
      if (!found || mine !== generation) return;
      problem.replaceChildren();
      [film, run, frames] = [found, found.run, []];
      const picker = choice("Run", found.runs.map((name) => [name, name]), (name) => ((run = name), load()));
      picker.select.value = run;
      tools.replaceChildren(picker, play, make("span", "pg-note", found.note));
      await Plotly.react(plot, found.figure.data, themed(found.figure.layout), plotOptions);
      slider.max = found.steps.length - 1;
      play.disabled = true;
      for (const [i, step] of found.steps.entries()) {
        state.textContent = `Looking at snapshot ${i + 1} of ${found.steps.length} …`;
        const frame = await ask(server.frame({ key: focus.key, run, step }));
        if (mine !== generation) return;
        if (frame.error) return void state.replaceChildren(make("span", "pg-error", frame.error));
        frames.push(frame);
        const x = [[found.figure.places[i]]];
        await Plotly.extendTraces(plot, { x: [...x, ...x], y: [[frame.loss], [frame.induction]] }, [2, 3]);
        slider.value = i;
        show();
      }
      play.disabled = false;
      state.textContent = "Drag the slider, or play. Heads are recognised on repeated random tokens; point at one for its scores.";
    };

    let text = "";
    onFocus(root, () => {
      if (text === JSON.stringify(focus.key)) return; // only another head
      const sameModel = text && JSON.parse(text).model === focus.key.model;
      text = JSON.stringify(focus.key);
      if (!sameModel) run = null;
      load();
    });
  }

  // --- two models --------------------------------------------------------------------------------------------------

  function compare(element, server) {
    const root = element.querySelector(".pg-compare");
    const tools = make("div", "pg-tools");
    const problem = make("div");
    const summary = make("div");
    const grids = make("div", "pg-three");
    const plot = make("div", "pg-focus");
    root.replaceChildren(tools, problem, summary, grids, plot);
    const fetchNames = latest(problem);
    const fetchBoth = latest(problem);
    const fetchHead = latest(problem);
    let [other, seen, differs] = ["", "", false];

    const column = (title, value, weights, scale) => {
      const side = make("div");
      const grid = make("div");
      const buttons = headButtons(value, (layer, head) => setFocus({ layer, head }));
      paintHeads(buttons, weights, value.tokens.length, colorTable(scale));
      arrange(grid, buttons, value);
      side.append(make("h3", "", title), grid);
      return { side, buttons };
    };

    const draw = async () => {
      const found = await fetchBoth(server.compare({ key: focus.key, other }));
      if (found === undefined) return;
      differs = false;
      if (!found) return clear();
      problem.replaceChildren();
      const { mine, theirs, change, scale, note, largest } = found;
      const columns = [column(focus.key.model, mine, mine.weights, mine.scale), column(other, theirs, theirs.weights, theirs.scale)];
      columns[0].buttons.forEach((node, i) => describeHead(node, i, mine, "test"));
      columns[1].buttons.forEach((node, i) => describeHead(node, i, theirs, "test"));
      if (change) columns.push(column("difference", theirs, change, scale));
      grids.replaceChildren(...columns.map(({ side }) => side));
      const losses = [[focus.key.model, mine.loss], [other, theirs.loss]];
      summary.replaceChildren(
        facts(losses.filter(([, loss]) => loss !== null).map(([name, loss]) => [`loss of ${name}, nats a token`, loss.toFixed(3)])),
        make("p", "pg-note", note ?? `Orange: ${other} looks there more; blue: less. Strongest colour: ${largest.toFixed(2)}.`),
      );
      differs = Boolean(change);
      drawHead();
    };

    const clear = () => {
      for (const part of [summary, grids]) part.replaceChildren();
      if (plot.data) Plotly.purge(plot);
    };

    const drawHead = async () => {
      if (!differs) return void (plot.data && Plotly.purge(plot));
      const { key, layer, head } = focus;
      const figure = await fetchHead(server.head_difference({ key, other, layer, head }));
      if (figure) await drawMatrix(plot, figure);
    };

    onFocus(root, async () => {
      const now = JSON.stringify(focus.key);
      if (seen === now) return drawHead();
      seen = now;
      const found = await fetchNames(server.others({ key: focus.key }));
      if (!found) return;
      if (!found.names.length) {
        clear();
        return problem.replaceChildren(make("p", "pg-note", "There is only one model yet: train a second one in the Train tab, then compare them here."));
      }
      if (!found.names.includes(other)) other = found.names[0];
      const picker = choice("Compare with", found.names.map((name) => [name, name]), (name) => ((other = name), draw()));
      picker.select.value = other;
      tools.replaceChildren(picker);
      draw();
    });
  }

  Object.assign(playground, { timelapse, compare });
})();
