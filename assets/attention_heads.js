// Attention tab: the grid of all heads, the one in focus, and both as files.
"use strict";

(() => {
  const { make, ask, follow, colorTable, button } = playground;
  const { focus, setFocus, onFocus, latest, choice, tokenRow, download, csv, bytesOf } = playground;
  const { sizeOf, headButtons, paintHeads, arrange, NAMES, describeHead, drawMatrix } = playground;

  // --- the grid ----------------------------------------------------------------------------------------------------

  const ORDERS = {
    layer: ["by layer", null],
    entropy: ["entropy, lowest first", (a, b) => a - b],
    ...Object.fromEntries(Object.keys(NAMES).map((name) => [name, [`${NAMES[name]} score`, (a, b) => b - a]])),
  };

  function headGrid(element, props, watch, server) {
    const root = element.querySelector(".pg-attention");
    const wish = { filter: "", order: "layer", basis: "text" }; // kept from text to text
    let mine = null; // the value that is drawn
    let shown = []; // buttons in the order in which the arrow keys walk
    let buttons = [];

    const grid = make("div");
    const note = make("p", "pg-note");
    const focusSide = focusView(server, () => mine);
    const tools = make("div", "pg-tools");
    tools.append(
      choice("Heads", [["", "all"], ...Object.entries(NAMES), ["none", "no simple pattern"]], (v) => refine({ filter: v })),
      choice("Order", Object.entries(ORDERS).map(([value, [text]]) => [value, text]), (v) => refine({ order: v })),
      choice("Recognised on", [["text", "this text"], ["test", "repeated random tokens"]], (v) => refine({ basis: v })),
    );
    const left = make("div", "pg-grid-side");
    left.append(tools, grid, legend(), note, exportRow(server, () => mine, () => buttons, focusSide));
    const both = make("div", "pg-two");
    both.append(left, focusSide);

    const refine = (changes) => {
      Object.assign(wish, changes);
      const { numbers } = mine.heads[wish.basis];
      buttons.forEach((node, i) => describeHead(node, i, mine, wish.basis));
      const fits = (node) => !wish.filter || node.dataset.name === (wish.filter === "none" ? "" : wish.filter);
      const compareBy = ORDERS[wish.order][1];
      const order = compareBy && buttons.map((_, i) => i).filter((i) => fits(buttons[i]));
      order?.sort((a, b) => compareBy(numbers[wish.order][a], numbers[wish.order][b]));
      buttons.forEach((node, i) => {
        node.classList.toggle("pg-dim", !fits(node));
        node.dataset.caption = compareBy ? `L${node.dataset.head.split(",").map((n) => Number(n) + 1).join(" H")} · ${numbers[wish.order][i].toFixed(2)}` : "";
      });
      shown = arrange(grid, buttons, mine, order);
      if (order && !order.length) grid.replaceChildren(make("p", "pg-note", "No head has this name here."));
    };

    const choose = (layer, head) => setFocus({ layer, head });

    const walk = (event) => {
      const columns = mine.n_head;
      const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
      const next = move && shown[shown.indexOf(event.target) + move];
      if (!next) return;
      event.preventDefault();
      next.focus();
      next.click();
    };
    grid.onkeydown = walk;

    focus.listeners.add(() =>
      buttons.forEach((node) => node.setAttribute("aria-pressed", node.dataset.head === `${focus.layer},${focus.head}`)),
    );

    follow(props, watch, (value) => {
      if (value.empty) {
        mine = null;
        return root.replaceChildren(make("p", "pg-note", value.empty));
      }
      const T = value.tokens.length;
      if (!mine || mine.n_layer !== value.n_layer || mine.n_head !== value.n_head) buttons = headButtons(value, choose);
      mine = value;
      paintHeads(buttons, value.weights, T, colorTable(value.scale));
      if (both.parentElement !== root) root.replaceChildren(both);
      refine({});
      const loss = value.loss === null ? "" : ` The model reads this text with a loss of ${value.loss.toFixed(2)} nats a token.`;
      note.textContent = `${value.cut} ${buttons.length} heads, ${T} tokens; forward pass ${Math.round(value.seconds * 1000)} ms.${loss}`;
      root.dataset.drawn = Number(root.dataset.drawn ?? 0) + 1;
      setFocus({
        key: value.key,
        shape: [value.n_layer, value.n_head],
        layer: Math.min(focus.layer, value.n_layer - 1),
        head: Math.min(focus.head, value.n_head - 1),
        query: null,
      });
    });
  }

  function legend() {
    const line = make("p", "pg-note pg-legend");
    line.append("In each picture a row is a token and its bright cells are the earlier tokens it looks at. ");
    for (const [name, text] of Object.entries(NAMES)) line.append(make("span", `pg-tag pg-is-${name}`, name[0].toUpperCase()), ` ${text} `);
    line.append("Point at a head for its scores; click one, or walk with the arrow keys.");
    return line;
  }

  // --- the head in focus -------------------------------------------------------------------------------------------

  function focusView(server, value) {
    const side = make("div", "pg-focus-side");
    const plot = make("div", "pg-focus");
    const words = make("div", "pg-words");
    const fetchFigure = latest(plot);
    const picked = new Set();
    let over = "head";
    const tools = make("div", "pg-tools");
    const averages = [["head", "one head"], ["layer", "mean of its layer"], ["all", "mean of all heads"]];
    tools.append(choice("Large picture", averages, (chosen) => ((over = chosen), draw())));
    side.append(tools, plot, words);

    const draw = async () => {
      const { key, layer, head } = focus;
      const figure = await fetchFigure(server.focus_head({ key, layer, head, over }));
      if (!figure || !value()) return;
      side.figure = figure;
      await drawMatrix(plot, figure);
      showWords(figure);
    };

    // The text itself: point at a token, and what it looks at lights up; click several for their mean.
    const showWords = ({ data: [{ z }], names }) => {
      const says = make("p", "pg-note");
      const row = tokenRow(names, (i) => {
        picked.has(i) ? picked.delete(i) : picked.add(i);
        setFocus({ query: i });
        light([...picked]);
      });
      row.classList.add("pg-lit");
      const light = (queries) => {
        const rows = queries.filter((i) => i < names.length);
        const mean = names.map((_, key) => rows.reduce((sum, i) => sum + (z[i][key] ?? 0), 0) / Math.max(1, rows.length));
        row.buttons.forEach((node, i) => {
          node.style.setProperty("--weight", mean[i] ?? 0);
          node.classList.toggle("pg-query", rows.includes(i));
          node.setAttribute("aria-pressed", picked.has(i));
        });
        const strongest = mean.map((w, i) => [w, i]).sort((a, b) => b[0] - a[0]).slice(0, 4).filter(([w]) => w >= 0.01);
        const who = rows.length > 1 ? `The ${rows.length} chosen tokens look` : `«${names[rows[0]]}» looks`;
        says.textContent = rows.length
          ? `${who} at ${strongest.map(([w, i]) => `«${names[i]}» ${w.toFixed(2)}`).join(", ")}.`
          : "Point at a token to see what it looks at; click several to see what they look at on average.";
      };
      row.buttons.forEach((node, i) => {
        node.onmouseenter = node.onfocus = () => light([i]);
      });
      row.onmouseleave = () => light([...picked]);
      words.replaceChildren(row, says);
      light([...picked]);
    };

    let drawn = "";
    onFocus(side, () => {
      const { key, layer, head } = focus;
      const wanted = JSON.stringify([key, layer, head]);
      if (drawn === wanted) return; // only the query changed
      if (!drawn.startsWith(JSON.stringify([key]).slice(0, -1))) picked.clear(); // another text
      drawn = wanted;
      draw();
    });
    return side;
  }

  // --- files -------------------------------------------------------------------------------------------------------

  function exportRow(server, value, buttons, focusSide) {
    const row = make("div", "pg-tools");
    const said = make("span", "pg-note");
    const stem = () => `${value().key.model}-layer${focus.layer + 1}-head${focus.head + 1}`;
    row.append(
      make("span", "pg-note", "Save:"),
      button("all heads, PNG", () => gridImage(value(), buttons()).toBlob((blob) => download(`${value().key.model}-heads.png`, blob))),
      button("this head, PNG", () => Plotly.downloadImage(focusSide.querySelector(".pg-focus"), { format: "png", width: 1000, height: 900, filename: stem() })),
      button("this head, CSV", () => {
        const { data: [{ z }], names } = focusSide.figure;
        download(`${stem()}.csv`, csv([["query \\ key", ...names], ...z.map((line, i) => [names[i], ...line])]), "text/csv");
      }),
    );
    if (server.standalone)
      row.append(
        button("a page of its own, HTML", async () => {
          said.textContent = "Writing …";
          const { html, error } = await ask(server.standalone({ key: value().key }));
          said.textContent = error ?? "";
          if (html) download(`${value().key.model}-attention.html`, html, "text/html");
        }),
      );
    row.append(said);
    return row;
  }

  // All heads in one picture, with their layers and numbers.
  function gridImage({ n_layer, n_head }, buttons) {
    const [cell, gap, edge] = [120, 8, 70];
    const canvas = make("canvas");
    canvas.width = edge + n_head * (cell + gap);
    canvas.height = 30 + n_layer * (cell + gap);
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.imageSmoothingEnabled = false;
    pen.fillStyle = "#1e293b";
    pen.font = "14px sans-serif";
    buttons.forEach((node, i) => {
      const [layer, head] = [Math.floor(i / n_head), i % n_head];
      if (layer === 0) pen.fillText(`head ${head + 1}`, edge + head * (cell + gap), 20);
      if (head === 0) pen.fillText(`layer ${layer + 1}`, 4, 30 + layer * (cell + gap) + cell / 2);
      pen.drawImage(node.firstChild, edge + head * (cell + gap), 30 + layer * (cell + gap), cell, cell);
    });
    return canvas;
  }

  // The saved page: the same grid, with every head's exact weights inside it instead of a server.
  function standalone({ grid, exact, figure }) {
    const T = grid.tokens.length;
    const numbers = new Int32Array(bytesOf(exact).buffer);
    const rowOf = (i, query) => numbers.subarray(i * sizeOf(T) + sizeOf(query), i * sizeOf(T) + sizeOf(query + 1));
    const focus_head = async ({ layer, head, over }) => {
      const all = [...Array(grid.n_layer * grid.n_head).keys()];
      const chosen = { head: [layer * grid.n_head + head], layer: all.filter((i) => Math.floor(i / grid.n_head) === layer), all }[over];
      const z = grid.tokens.map((_, query) =>
        grid.tokens.map((_, key) => (key > query ? null : chosen.reduce((sum, i) => sum + rowOf(i, query)[key], 0) / chosen.length / 65535)),
      );
      const title = { head: `Layer ${layer + 1}, head ${head + 1}`, layer: `Layer ${layer + 1}, mean over its heads`, all: "Mean over all heads" }[over];
      return { ...figure, data: [{ ...figure.data[0], z }], layout: { ...figure.layout, title: { ...figure.layout.title, text: title } } };
    };
    document.getElementById("model").textContent = grid.key.model;
    headGrid(document.getElementById("page"), { value: grid }, () => {}, { focus_head });
  }

  Object.assign(playground, { headGrid, standalone });
})();
