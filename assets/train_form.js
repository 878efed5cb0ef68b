// Train tab, before a training: what it would cost, what the model would see, and what is tried first.
"use strict";

(() => {
  const { make, button, facts, ask, follow, isVisible, themed, plotOptions, visibleSpaces } = playground;
  const { number, visible, chip, passage, fill, panel } = playground.tokens;

  const PATIENCE = 400; // ms without a change before Python is asked: people type
  const duration = (seconds) =>
    seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
  const gib = (size) => (size < 1 ? `${Math.round(size * 1024)} MB` : `${size.toFixed(1)} GB`);

  // Like `panel`, for a form whose values change with every key: asks once the person rests.
  function rested(element, selector, props, watch, draw) {
    const root = element.querySelector(selector);
    let [timer, asked] = [0, 0];
    return panel(root, props, watch, async (values) => {
      clearTimeout(timer);
      const mine = ++asked;
      root.classList.add("pg-stale"); // what stands there is about other values
      await new Promise((resolve) => {
        timer = setTimeout(resolve, PATIENCE);
      });
      await draw(root, values, () => mine === asked);
      if (mine === asked) root.classList.remove("pg-stale");
    });
  }

  // --- memory and time ----------------------------------------------------------------------------------------------

  const COLORS = { weights: 0, gradients: 1, optimizer: 2, activations: 3, copies: 4, logits: 4, "frozen models": 2 };

  function memoryBar({ parts, peak, room }) {
    const bar = make("div", "pg-memory");
    bar.setAttribute("role", "img");
    const whole = Math.max(room ?? 0, peak, parts.reduce((sum, [, size]) => sum + size, 0));
    for (const [name, size] of parts.filter(([, size]) => size > 0)) {
      const part = make("span", `pg-color-${COLORS[name]}`);
      part.style.width = `${(100 * size) / whole}%`;
      part.title = `${name}: ${gib(size)}`;
      bar.append(part);
    }
    bar.setAttribute("aria-label", parts.map(([name, size]) => `${name} ${gib(size)}`).join(", "));
    return bar;
  }

  function trainPlan(element, props, watch, server) {
    rested(element, ".pg-plan", props, watch, async (root, values, latest) => {
      const answer = await ask(server.plan(values));
      if (!latest()) return;
      if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
      const { peak, room, fits, device, seconds, busy, parts, told } = answer;
      const verdict = make("p", "pg-verdict");
      const space = peak === null ? `memory on ${device} is not planned` : `${fits ? "fits" : "does not fit"}: ${gib(peak)}${room ? ` of ${gib(room)}` : ""} on ${device}`;
      verdict.append(make("strong", fits ? "" : "pg-error", space), ` · about ${duration(seconds)} here${busy ? `, slower while ${busy} is being trained` : ""}`);
      root.replaceChildren(...(told ? [make("p", "pg-told", told)] : []), verdict);
      if (parts.length) {
        const legend = make("p", "pg-note pg-memory-legend");
        for (const [name, size] of parts.filter(([, size]) => size > 0)) {
          const item = make("span");
          item.append(make("i", `pg-swatch pg-color-${COLORS[name]}`), `${name} ${gib(size)}`);
          legend.append(item);
        }
        root.append(memoryBar(answer), legend);
      }
      root.append(make("p", "pg-note", answer.facts.map(([name, value]) => `${name}: ${value}`).join(" · ")));
      root.dataset.drawn = Number(root.dataset.drawn ?? 0) + 1;
    });
  }

  // --- what the model will see ----------------------------------------------------------------------------------------

  function shownExample({ ids, hexes, special, mask, cut, title, read }, i) {
    const section = make("section", "pg-seen");
    if (title) section.append(make("h4", "", title));
    const describe = (at) => [
      ["token", visibleSpaces(visible(hexes[at]).text)],
      ["id", number(ids[at])],
      ["in the loss", !mask[at] ? "no: the model only reads this" : read ? `the ${read} is read here` : "yes: the model learns to say this"],
    ];
    const chips = passage(`Example ${i + 1}`, describe, () => {});
    const nodes = ids.map((_, at) => {
      const node = chip(hexes[at], at % 5, true);
      node.classList.toggle("pg-unlearned", !mask[at]);
      node.classList.toggle("pg-special", special[at]);
      return node;
    });
    fill(chips, nodes, hexes);
    section.append(chips);
    if (cut > 0) section.append(make("p", "pg-note", `… and ${number(cut)} tokens more`));
    return section;
  }

  function trainPreview(element, props, watch, server) {
    rested(element, ".pg-preview", props, watch, async (root, values, latest) => {
      const answer = await ask(server.preview(values));
      if (!latest()) return;
      if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
      const legend = make("p", "pg-note");
      legend.append(make("span", "pg-chip pg-color-0", "coloured"), " counts in the loss  ", make("span", "pg-chip pg-unlearned", "grey"), " is only read");
      root.replaceChildren(facts(answer.facts), make("p", "pg-note", answer.note));
      if (answer.problems.length) {
        const list = make("ul", "pg-problems");
        list.append(...answer.problems.slice(0, 20).map((problem) => make("li", "", problem)));
        root.append(make("p", "pg-error", `${number(answer.problems.length)} left out:`), list);
      }
      if (answer.text) root.append(make("blockquote", "pg-quoted", answer.text));
      if (answer.examples.length) root.append(legend, ...answer.examples.map(shownExample));
    });
  }

  // --- the range test and the batch proof -------------------------------------------------------------------------------

  function proofTable({ layers, sizes: [whole, part] }) {
    const table = make("table", "pg-table");
    const head = make("tr");
    const titles = ["layer", "length of the gradient", `1 × ${whole} against ${whole / part} × ${part}`, "if means were averaged (the common mistake)"];
    head.append(...titles.map((title) => make("th", "", title)));
    const percent = (share) => (share < 1e-3 ? share.toExponential(1) : `${(100 * share).toFixed(1)} %`);
    const rows = layers.map(({ name, norm, difference, mistake }) => {
      const row = make("tr");
      row.append(...[name, norm.toPrecision(3), percent(difference), percent(mistake)].map((value) => make("td", "", value)));
      return row;
    });
    table.append(head, ...rows);
    const most = Math.max(...layers.map((layer) => layer.difference));
    const frame = make("div");
    const verdict = `The largest relative difference is ${most.toExponential(1)}${most < 1e-3 ? ": the two are the same gradient, summed in another order." : "."}`;
    const mistaken = Math.max(...layers.map((layer) => layer.mistake)) > 1e-3;
    const why = mistaken
      ? "To average the means of the micro-batches gives every micro-batch the same weight, however few of its tokens count: that is another gradient."
      : "Here every sequence has equally many tokens that count, so even averaging means would do. Prove it for Instructions, where it would not.";
    frame.append(make("h3", "", "The batch proof"), make("p", "", verdict), make("p", "pg-note", why), table);
    return frame;
  }

  function experiment(element, props, watch, server, trigger) {
    const root = element.querySelector(".pg-lab");
    const [state, plot, chosen, proof] = [make("p", "pg-note"), make("div", "pg-plot"), make("p"), make("div")];
    state.setAttribute("role", "status");
    let [generation, figure] = [0, null];

    const drawCurve = async ({ trials, suggestion, running, kind }) => {
      if (!trials.length || !figure) return;
      const shown = suggestion ? [{ ...figure.line, x0: suggestion, x1: suggestion }] : [];
      const [x, raw, smoothed] = ["lr", "loss", "smoothed"].map((name) => trials.map((trial) => trial[name]));
      const data = [{ ...figure.data[0], x, y: raw }, { ...figure.data[1], x, y: smoothed }];
      await Plotly.react(plot, data, { ...themed(figure.layout), shapes: shown }, plotOptions);
      if (suggestion) chosen.replaceChildren(`Suggested: ${suggestion.toPrecision(2)} `, button("Use this rate", trigger));
      else chosen.textContent = running || kind !== "range" ? "" : "The curve has no clear fall followed by a rise, so it suggests nothing. Try a larger batch.";
    };

    follow(props, watch, (value) => {
      const mine = ++generation;
      if (!state.isConnected) root.replaceChildren(state, plot, chosen, proof);
      figure = value.figure;
      const poll = async () => {
        if (mine !== generation || !root.isConnected) return;
        let running = true;
        if (isVisible(root)) {
          const news = await ask(server.follow_experiment({}));
          if (mine !== generation) return;
          state.className = news.error ? "pg-error" : "pg-note";
          state.textContent = news.error ?? "";
          if (!news.error) state.textContent = news.message;
          await drawCurve(news);
          proof.replaceChildren(...(news.layers?.length ? [proofTable(news)] : []));
          running = news.running;
          root.dataset.running = running;
        }
        if (running) setTimeout(poll, 700);
      };
      poll();
    });
  }

  // --- a classifier, tried out ------------------------------------------------------------------------------------------

  function tryIt(element, props, watch, server) {
    rested(element, ".pg-try", props, watch, async (root, values, latest) => {
      if (!values.model) return;
      const answer = await ask(server.classify({ ...values, text: values.text.toWellFormed() }));
      if (!latest()) return;
      if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
      const table = make("table", "pg-table");
      for (const [label, share] of answer.likely) {
        const row = make("tr");
        const bar = make("td", "pg-bar");
        bar.style.setProperty("--weight", share);
        row.append(make("td", "", label), make("td", "", `${(100 * share).toFixed(1)} %`), bar);
        table.append(row);
      }
      root.replaceChildren(table, make("p", "pg-note", answer.note));
    });
  }

  Object.assign(playground, { rested, trainPlan, trainPreview, experiment, tryIt });
})();
