// The live parts of the page. Each function is called once by the gr.HTML component that it fills:
// `element` is the component's root, `props.value` what Python last sent, `watch` tells of changes, `server` calls Python.
// Whatever comes from a model or a person is put into the page as text (textContent), never as markup.
"use strict";

window.playground = (() => {
  const make = (tag, className = "", text = "") => {
    const node = document.createElement(tag);
    node.className = className;
    node.textContent = text;
    return node;
  };

  const isVisible = (element) => element.isConnected && element.offsetParent !== null && !document.hidden;

  // A server function's answer; `undefined` is Gradio's way to say that nobody answered.
  const ask = async (call) =>
    (await call.catch(() => undefined)) ?? { error: "The playground does not answer. A training goes on without it; start the playground again to see it here." };

  // Call `render` now and whenever Python sends something new.
  const follow = (props, watch, render) => {
    const update = () => props.value && render(props.value);
    watch("value", update);
    update();
  };

  // --- the text that follows the person from tab to tab -----------------------------------------------------------

  let shared = null; // what was typed last, in whatever tab

  const keepText = (text) => {
    shared = text;
  };

  const offerText = (own) => shared ?? own;

  // --- tokens ---------------------------------------------------------------------------------------------------

  function tokens(element, props, watch) {
    const root = element.querySelector(".pg-tokens");
    follow(props, watch, ({ title, counts, tokens, hidden, ids, spaces }) => {
      const facts = make("dl", "pg-counts");
      for (const [name, value] of counts) {
        const pair = make("div");
        pair.append(make("dd", "", value), make("dt", "", name));
        facts.append(pair);
      }
      const chips = make("div", "pg-chips" + (ids ? " pg-with-ids" : ""));
      tokens.forEach(([text, id, bytes], i) => {
        const visible = spaces ? text.replaceAll(" ", "·").replaceAll("\t", "⇥") : text;
        const chip = make("span", `pg-chip pg-color-${i % 5}`);
        chip.append(make("span", "pg-chip-text", visible.replaceAll("\n", spaces ? "↵" : " ") || " "));
        if (ids) chip.append(make("span", "pg-chip-id", id));
        chip.title = `${JSON.stringify(text)}\nid ${id}\nbytes ${bytes}`;
        chips.append(chip);
        if (text.includes("\n")) chips.append(document.createElement("br"));
      });
      const children = [make("h3", "", title), facts, chips];
      if (hidden) children.push(make("p", "pg-note", `… and ${hidden.toLocaleString("en")} more tokens, counted above but not drawn.`));
      root.replaceChildren(...children);
    });
  }

  // --- plots ----------------------------------------------------------------------------------------------------

  const cssColor = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  // A Plotly layout in the colours of the page, light or dark.
  function themed(layout) {
    const [text, line] = [cssColor("--body-text-color"), cssColor("--border-color-primary")];
    const themedLayout = { ...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
    themedLayout.font = { color: text, size: 12 };
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key)))
      themedLayout[axis] = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, ...layout[axis] };
    return themedLayout;
  }

  // Plotly's own "Share chart" would upload it: nothing leaves this machine.
  const unwanted = ["sendChartToCloud", "sendDataToCloud", "select2d", "lasso2d"];
  const plotOptions = { responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtonsToRemove: unwanted };

  const colorTable = (scale) => {
    const stops = scale.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
    return Uint32Array.from({ length: 256 }, (_, value) => {
      const at = (value / 255) * (stops.length - 1);
      const [low, high] = [stops[Math.floor(at)], stops[Math.ceil(at)]];
      const [r, g, b] = low.map((c, i) => Math.round(c + (high[i] - c) * (at % 1)));
      return (255 << 24) | (b << 16) | (g << 8) | r;
    });
  };

  // --- attention ------------------------------------------------------------------------------------------------

  function headGrid(element, props, watch, server) {
    const root = element.querySelector(".pg-attention");
    let chosen = [0, 0];

    follow(props, watch, (value) => {
      if (value.empty) return root.replaceChildren(make("p", "pg-note", value.empty));
      const { n_layer, n_head, n_tokens, weights, scale, note } = value;
      const bytes = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
      const colors = colorTable(scale);
      const triangle = (n_tokens * (n_tokens + 1)) / 2;
      const grid = make("div", "pg-heads");
      grid.style.setProperty("--heads", n_head);
      const plot = make("div", "pg-focus");
      chosen = [Math.min(chosen[0], n_layer - 1), Math.min(chosen[1], n_head - 1)];
      const buttons = [];

      const choose = async (layer, head) => {
        chosen = [layer, head];
        buttons.forEach((b) => b.setAttribute("aria-pressed", b.dataset.head === `${layer},${head}`));
        const figure = await ask(server.focus_head({ key: value.key, layer, head }));
        if (figure.error) return plot.replaceChildren(make("p", "pg-error", figure.error));
        await Plotly.react(plot, figure.data, themed(figure.layout), plotOptions);
      };

      for (let layer = 0; layer < n_layer; layer++) {
        grid.append(make("span", "pg-layer", `layer ${layer + 1}`));
        for (let head = 0; head < n_head; head++) {
          const button = make("button", "pg-head");
          button.dataset.head = `${layer},${head}`;
          button.title = `layer ${layer + 1}, head ${head + 1}`;
          button.setAttribute("aria-label", button.title);
          const canvas = make("canvas");
          canvas.width = canvas.height = n_tokens;
          const image = new ImageData(n_tokens, n_tokens);
          const pixels = new Uint32Array(image.data.buffer);
          let at = (layer * n_head + head) * triangle;
          for (let query = 0; query < n_tokens; query++)
            for (let key = 0; key <= query; key++) pixels[query * n_tokens + key] = colors[bytes[at++]];
          canvas.getContext("2d").putImageData(image, 0, 0);
          button.append(canvas);
          button.onclick = () => choose(layer, head);
          button.onkeydown = (event) => {
            const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -n_head, ArrowDown: n_head }[event.key];
            const next = move && buttons[buttons.indexOf(button) + move];
            if (!next) return;
            event.preventDefault();
            next.focus();
            next.click();
          };
          buttons.push(button);
          grid.append(button);
        }
      }
      const left = make("div", "pg-grid-side");
      left.append(grid, make("p", "pg-note", note));
      const both = make("div", "pg-two");
      both.append(left, plot);
      root.replaceChildren(both);
      choose(...chosen);
    });
  }

  // --- a run, live ----------------------------------------------------------------------------------------------

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

  // --- chat -----------------------------------------------------------------------------------------------------

  function scene(element, props, watch) {
    const root = element.querySelector(".pg-scene");
    root.setAttribute("role", "log");
    root.tabIndex = 0; // the keyboard can scroll it
    const empty = root.firstElementChild;
    let bubbles = [];

    follow(props, watch, ({ messages }) => {
      const atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 40;
      if (messages.length < bubbles.length || !messages.length) {
        bubbles = [];
        root.replaceChildren(empty);
      }
      messages.forEach(([role, text], i) => {
        if (!bubbles.length) root.replaceChildren();
        if (!bubbles[i]) root.append((bubbles[i] = make("div", `pg-said pg-said-${role}`)));
        if (bubbles[i].textContent !== text) bubbles[i].textContent = text;
      });
      if (atEnd) root.scrollTop = root.scrollHeight;
    });
  }

  // --- header ---------------------------------------------------------------------------------------------------

  function badge(element, server) {
    const root = element.querySelector(".pg-header-badge");
    const poll = async () => {
      let busy = false;
      if (!document.hidden) {
        const { device = "disconnected", run = null } = await ask(server.running());
        busy = run !== null;
        const parts = [make("span", "pg-badge", device)];
        if (run) parts.push(make("span", `pg-badge pg-${run.state}`, `${run.name}: ${run.state}, step ${run.step} of ${run.max_steps}`));
        root.replaceChildren(...parts);
      }
      setTimeout(poll, busy ? 2000 : 5000);
    };
    poll();
  }

  return { keepText, offerText, tokens, headGrid, liveRun, scene, badge };
})();
