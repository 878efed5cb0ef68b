// Attention tab, panels that look into the forward pass: q, k and v step by step, heads switched off, the logit lens.
"use strict";

(() => {
  const { make, ask, headCell, focus, setFocus, onFocus, latest, visibleSpaces, button, tokenRow, download, csv, colorTable, cssOf, readableOn } = playground;

  const DIVERGING = colorTable(["#0072B2", "#7FB8D8", "#F2F2F2", "#EAAE7F", "#D55E00"]);
  const signed = (value, largest) => cssOf(DIVERGING[Math.round(127.5 * (1 + Math.max(-1, Math.min(1, value / (largest || 1)))))]);
  const number = (value, digits = 3) => (value === null ? "−∞" : value.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−"));
  const headName = () => `layer ${focus.layer + 1}, head ${focus.head + 1}`;

  // --- from q and k to weights -------------------------------------------------------------------------------------

  // A vector as a strip of coloured cells: orange above zero, blue below, the number on hover.
  function strip(label, numbers, total = "") {
    const row = make("div", "pg-strip");
    const largest = Math.max(...numbers.map(Math.abs));
    const cells = make("div", "pg-cells");
    numbers.forEach((value, d) => {
      const cell = make("span");
      cell.style.background = signed(value, largest);
      cell.title = `dimension ${d + 1}: ${number(value, 4)}`;
      cells.append(cell);
    });
    row.append(make("span", "pg-strip-name", label), cells);
    if (total) row.append(make("span", "pg-strip-total", total));
    return row;
  }

  function steps(element, server) {
    const root = element.querySelector(".pg-steps");
    const fetchSteps = latest(root);
    let key = null; // the position whose product with the query is shown

    onFocus(root, async () => {
      const { layer, head, query } = focus;
      const found = await fetchSteps(server.head_steps({ key: focus.key, layer, head, query }));
      key = null; // the strongest one, until another is clicked
      if (found) draw(found);
    });

    function draw(found) {
      const { tokens, query, q, k, v, raw, scaled, masked, weights, output, scale } = found;
      const names = tokens.map(visibleSpaces);
      key ??= weights.indexOf(Math.max(...weights));
      const row = tokenRow(tokens, (i) => setFocus({ query: i }));
      row.buttons.forEach((node, i) => node.setAttribute("aria-pressed", i === query));

      const table = make("table", "pg-table");
      const head = make("tr");
      const divisor = 1 / scale;
      const titles = ["key", "raw score q · k", `÷ ${divisor.toFixed(2)}`, "masked", "softmax: weight", ""];
      head.append(...titles.map((title) => headCell(title)));
      head.children[2].title = `√d_k = ${Math.sqrt(q.length).toFixed(2)} for d_k = ${q.length} dimensions`;
      table.append(head);
      tokens.forEach((_, i) => {
        const line = make("tr", i > query ? "pg-future" : "");
        const bar = make("td", "pg-bar");
        bar.style.setProperty("--weight", weights[i] / Math.max(...weights)); // the longest bar fills its column
        const name = make("td");
        const pick = button(names[i], () => ((key = i), draw(found)), "pg-token");
        pick.setAttribute("aria-pressed", i === key);
        pick.disabled = i > query;
        name.append(pick);
        const values = [number(raw[i]), number(scaled[i]), number(masked[i]), number(weights[i], 4)];
        line.append(name, ...values.map((text) => make("td", "", text)), bar);
        table.append(line);
      });
      const frame = make("div", "pg-scroll");
      frame.append(table);

      const product = q.map((value, d) => value * k[key][d]);
      const detail = make("div", "pg-strips");
      detail.append(
        make("p", "", `The product of «${names[query]}» (query) and «${names[key]}» (key), dimension by dimension, d_k = ${q.length}:`),
        strip("q", q),
        strip("k", k[key]),
        strip("q × k", product, `sum = ${number(raw[key])}, the raw score`),
        make("p", "", `Divided by √d_k = ${divisor.toFixed(2)}: ${number(scaled[key])}. After the softmax over all visible keys: ${number(weights[key], 4)}.`),
        strip("v", v[key]),
        strip("output", output, `Σ weight × v over all ${query + 1} visible tokens`),
      );
      const both = make("div", "pg-two");
      both.append(frame, detail);
      const scrolled = root.querySelector(".pg-scroll")?.scrollTop ?? 0;
      const title = make("h3", "", `Query «${names[query]}» in ${headName()}`);
      root.replaceChildren(title, row, both);
      root.querySelector(".pg-scroll").scrollTop = scrolled;
    }
  }

  // --- heads switched off ------------------------------------------------------------------------------------------

  function switchOff(element, server) {
    const root = element.querySelector(".pg-switch-off");
    const map = make("div");
    const result = make("div", "pg-distribution");
    const state = make("p", "pg-note");
    state.setAttribute("role", "status");
    const bar = make("progress", "pg-progress");
    const fetchResult = latest(result);
    const off = new Set(); // "layer,head"
    let [cells, shape, measured, stopped, text] = [[], "", [], true, ""];

    const measure = button("Measure every head", () => measureAll());
    const stop = button("Stop", () => (stopped = true));
    const save = button("Map, CSV", () => download("loss-change-by-head.csv", csv([["layer", "head", "change of the loss (nats per token)"], ...measured]), "text/csv"));
    const all = button("All on again", () => (off.clear(), show()));
    const thisOne = button("", () => toggle(`${focus.layer},${focus.head}`));
    const tools = make("div", "pg-tools");
    tools.append(thisOne, all, measure, stop, save);
    const left = make("div");
    left.append(map, state, bar);
    const both = make("div", "pg-two");
    both.append(left, result);
    root.replaceChildren(tools, both);

    const toggle = (name) => {
      off.has(name) ? off.delete(name) : off.add(name);
      show();
    };

    const show = async () => {
      thisOne.textContent = `Switch ${headName()} ${off.has(`${focus.layer},${focus.head}`) ? "on" : "off"}`;
      cells.forEach((cell) => cell.setAttribute("aria-pressed", off.has(cell.dataset.head)));
      [stop.disabled, save.disabled, all.disabled, bar.hidden] = [stopped, !measured.length, !off.size, stopped];
      const heads = [...off].map((name) => name.split(",").map(Number));
      const found = await fetchResult(server.without({ key: focus.key, heads, query: focus.query }));
      if (found) drawDistribution(found);
    };

    const drawDistribution = ({ rows, position, tokens, loss, loss_after }) => {
      const table = make("table", "pg-table");
      const head = make("tr");
      head.append(...["next token", "all heads on", "", off.size ? `${off.size} switched off` : "none off", ""].map((title) => headCell(title)));
      table.append(head);
      for (const [token, before, after] of rows) {
        const line = make("tr");
        const bars = [before, after].map((p, i) => {
          const cell = make("td", `pg-bar pg-bar-${i}`);
          cell.style.setProperty("--weight", p);
          return cell;
        });
        line.append(make("td", "pg-mono", visibleSpaces(token)), make("td", "", before.toFixed(3)), bars[0], make("td", "", after.toFixed(3)), bars[1]);
        table.append(line);
      }
      const change = loss === null ? "" : `Loss on this text: ${loss.toFixed(3)} → ${loss_after.toFixed(3)} nats a token (${loss_after >= loss ? "+" : "−"}${Math.abs(loss_after - loss).toFixed(3)}).`;
      result.replaceChildren(make("h3", "", `What comes after «${visibleSpaces(tokens[position])}»`), table, make("p", "pg-loss", change));
    };

    const layOut = (n_layer, n_head) => {
      map.className = "pg-heads";
      map.style.setProperty("--heads", n_head);
      cells = [];
      const children = [];
      for (let layer = 0; layer < n_layer; layer++) {
        children.push(make("span", "pg-layer", `layer ${layer + 1}`));
        for (let head = 0; head < n_head; head++) {
          const cell = button("", () => toggle(cell.dataset.head), "pg-cell");
          cell.dataset.head = `${layer},${head}`;
          cell.title = `layer ${layer + 1}, head ${head + 1}`;
          cell.setAttribute("aria-label", cell.title);
          cells.push(cell);
          children.push(cell);
        }
      }
      map.replaceChildren(...children);
    };

    const forget = () => {
      [measured, stopped] = [[], true];
      for (const cell of cells) [cell.style.background, cell.textContent] = ["", ""];
      state.textContent = "Click a cell to switch its head off; the colours come with a measurement.";
    };

    const measureAll = async () => {
      forget();
      stopped = false;
      show();
      const asked = JSON.stringify(focus.key);
      const [n_layer] = focus.shape;
      bar.max = n_layer;
      for (let layer = 0; layer < n_layer && !stopped; layer++) {
        bar.value = layer;
        state.textContent = `Measuring layer ${layer + 1} of ${n_layer} …`;
        const { changes, error } = await ask(server.change_of_layer({ key: focus.key, layer }));
        if (asked !== JSON.stringify(focus.key)) return; // another text meanwhile
        if (error) {
          stopped = true;
          state.replaceChildren(make("span", "pg-error", error));
          return show();
        }
        changes.forEach((change, head) => measured.push([layer + 1, head + 1, change]));
        paintMap();
      }
      const worst = measured.reduce((a, b) => (b[2] > a[2] ? b : a));
      state.textContent = `${stopped ? "Stopped. " : ""}Change of the loss in nats a token: orange is worse without the head, blue better. Most missed: layer ${worst[0]}, head ${worst[1]} (+${worst[2].toFixed(3)}).`;
      stopped = true;
      show();
    };

    const paintMap = () => {
      const largest = Math.max(...measured.map(([, , change]) => Math.abs(change)));
      measured.forEach(([layer, head, change], i) => {
        cells[i].style.background = signed(change, largest);
        cells[i].textContent = number(change, 2);
        cells[i].style.color = change < -0.6 * largest ? "#fff" : "#111"; // readable on the strongest blue
        cells[i].title = `layer ${layer}, head ${head}: ${number(change, 4)} nats a token without it`;
      });
    };

    onFocus(root, () => {
      if (shape !== String(focus.shape)) {
        shape = String(focus.shape);
        off.clear();
        layOut(...focus.shape);
        forget();
      }
      if (text !== JSON.stringify(focus.key)) {
        text = JSON.stringify(focus.key);
        forget();
      }
      show();
    });
  }

  // --- the logit lens ----------------------------------------------------------------------------------------------

  function logitLens(element, server) {
    const root = element.querySelector(".pg-lens");
    const fetchLens = latest(root);
    let text = "";

    onFocus(root, async () => {
      if (text === JSON.stringify(focus.key)) return;
      text = JSON.stringify(focus.key);
      const found = await fetchLens(server.logit_lens({ key: focus.key }));
      if (found) draw(found);
      else text = "";
    });

    function draw({ tokens, best, probabilities, actual, scale }) {
      const colors = colorTable(scale);
      const table = make("table", "pg-lens-table");
      for (let layer = best.length - 1; layer >= 0; layer--) {
        const line = make("tr");
        line.append(make("th", "", layer ? `after layer ${layer}` : "embedding"));
        tokens.forEach((token, t) => {
          const likely = best[layer][t];
          const p = probabilities[layer][t];
          const cell = make("td", "", visibleSpaces(likely[0]));
          const color = colors[Math.round(255 * p[0])];
          cell.style.background = cssOf(color);
          cell.style.color = readableOn(color);
          if (t + 1 < tokens.length && likely[0] === tokens[t + 1]) cell.className = "pg-right";
          const next = t + 1 < tokens.length ? `\nreally next: «${visibleSpaces(tokens[t + 1])}» ${actual[layer][t].toFixed(3)}` : "";
          cell.title = `after «${visibleSpaces(token)}»:\n` + likely.map((word, i) => `«${visibleSpaces(word)}» ${p[i].toFixed(3)}`).join("\n") + next;
          cell.tabIndex = -1;
          line.append(cell);
        });
        table.append(line);
      }
      const feet = make("tr", "pg-read");
      feet.append(make("th", "", "has read"), ...tokens.map((token) => make("td", "", visibleSpaces(token))));
      table.append(feet);
      const frame = make("div", "pg-scroll");
      frame.tabIndex = 0;
      frame.append(table);
      const save = button("Lens, CSV", () => {
        const rows = best.flatMap((row, layer) => row.map((words, t) => [layer, t, tokens[t], words[0], probabilities[layer][t][0], actual[layer][t] ?? ""]));
        download("logit-lens.csv", csv([["layer", "position", "has read", "says next", "probability", "probability of the real next token"], ...rows]), "text/csv");
      });
      const tools = make("div", "pg-tools");
      tools.append(save, make("span", "pg-note", "Bright cells are sure of what they say; a frame marks what really comes next. Point at a cell for its five best guesses."));
      root.replaceChildren(frame, tools);
    }
  }

  Object.assign(playground, { steps, switchOff, logitLens });
})();
