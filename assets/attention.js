// Attention tab: the grid of all heads, the one in focus, and both as files. What the panels below share is here too.
"use strict";

(() => {
  const { make, ask, follow, isVisible, themed, plotOptions, colorTable } = playground;

  // --- the head that all panels talk about ------------------------------------------------------------------------

  const focus = { key: null, shape: [0, 0], layer: 0, head: 0, query: null, listeners: new Set() };

  const setFocus = (changes) => {
    Object.assign(focus, changes);
    focus.listeners.forEach((listener) => listener());
  };

  // Call `update` whenever the focus has changed: at once where `root` is in sight, else as soon as it is.
  function onFocus(root, update) {
    let stale = true;
    const refresh = () => {
      if (!stale || !focus.key || !isVisible(root)) return;
      stale = false;
      update();
    };
    new IntersectionObserver(refresh).observe(root);
    focus.listeners.add(() => {
      stale = true;
      refresh();
    });
    refresh();
  }

  // Ask, and keep an answer only if nothing was asked after it (else undefined). An error stands in `place` (null).
  function latest(place) {
    let turn = 0;
    return async (call) => {
      const mine = ++turn;
      const answer = await ask(call);
      if (mine !== turn) return undefined;
      if (!answer.error) return answer;
      place.replaceChildren(make("p", "pg-error", answer.error));
      return null;
    };
  }

  // A function that is called at most once at a time; what is asked meanwhile is done once, afterwards.
  function oneAtATime(work) {
    let [busy, again] = [false, false];
    return async function run() {
      if (busy) return void (again = true);
      busy = true;
      await work();
      busy = false;
      if (again) {
        again = false;
        run();
      }
    };
  }

  // --- small parts -------------------------------------------------------------------------------------------------

  const visibleSpaces = (text) => text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·");

  const button = (text, onclick, className = "pg-button") => {
    const node = make("button", className, text);
    node.type = "button";
    node.onclick = onclick;
    return node;
  };

  // A labelled <select>; `options` are [value, text].
  function choice(label, options, onchange) {
    const frame = make("label", "pg-choice", label);
    const select = make("select");
    for (const [value, text] of options) select.append(new Option(text, value));
    select.onchange = () => onchange(select.value);
    select.setAttribute("aria-label", label);
    frame.append(select);
    return Object.assign(frame, { select });
  }

  // Tokens as buttons in a row; `choose(i)` is called with the one clicked.
  function tokenRow(tokens, choose) {
    const row = make("div", "pg-token-row");
    const buttons = tokens.map((token, i) => button(visibleSpaces(token), () => choose(i), "pg-token"));
    row.append(...buttons);
    return Object.assign(row, { buttons });
  }

  function facts(pairs) {
    const list = make("dl", "pg-counts");
    for (const [name, value] of pairs) {
      const pair = make("div");
      pair.append(make("dd", "", value), make("dt", "", name));
      list.append(pair);
    }
    return list;
  }

  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  function download(name, content, type) {
    const link = make("a");
    link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  const csvCell = (value) => (/[",\n\r]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
  const csv = (rows) => rows.map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";

  // --- drawing -----------------------------------------------------------------------------------------------------

  const sizeOf = (T) => (T * (T + 1)) / 2;

  // The lower triangle that begins at bytes[at], as pixels: a row is a query.
  function paintHead(canvas, bytes, at, T, colors) {
    if (canvas.width !== T || canvas.height !== T) canvas.width = canvas.height = T;
    const image = new ImageData(T, T);
    const pixels = new Uint32Array(image.data.buffer);
    for (let query = 0; query < T; query++)
      for (let key = 0; key <= query; key++) pixels[query * T + key] = colors[bytes[at++]];
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // Buttons for all heads, layer after layer, each with its picture.
  function headButtons({ n_layer, n_head }, choose) {
    const buttons = [];
    for (let layer = 0; layer < n_layer; layer++)
      for (let head = 0; head < n_head; head++) {
        const node = button("", () => choose(layer, head), "pg-head");
        node.dataset.head = `${layer},${head}`;
        node.title = `layer ${layer + 1}, head ${head + 1}`;
        node.setAttribute("aria-label", node.title);
        node.append(make("canvas"), make("span", "pg-tag"));
        buttons.push(node);
      }
    return buttons;
  }

  function paintHeads(buttons, weights, T, colors) {
    const bytes = bytesOf(weights);
    buttons.forEach((node, i) => paintHead(node.firstChild, bytes, i * sizeOf(T), T, colors));
  }

  // Put heads into a grid: a row a layer, or in any other order with their names under them.
  function arrange(grid, buttons, { n_layer, n_head }, order = null) {
    grid.className = `pg-heads${order ? " pg-sorted" : ""}${n_head > 8 ? " pg-many" : ""}`;
    grid.style.setProperty("--heads", n_head);
    const children = [];
    (order ?? buttons.map((_, i) => i)).forEach((i, place) => {
      if (!order && place % n_head === 0) children.push(make("span", "pg-layer", `layer ${place / n_head + 1}`));
      children.push(buttons[i]);
    });
    grid.replaceChildren(...children);
    return children.filter((node) => node.className !== "pg-layer");
  }

  const NAMES = { previous: "previous token", first: "first token", duplicate: "duplicate token", induction: "induction" };

  // What is known of a head, for its tag and for those who point at it.
  function describeHead(node, i, value, basis) {
    const { names, numbers } = value.heads[basis];
    const name = names[i];
    const tag = node.querySelector(".pg-tag");
    tag.textContent = name ? name[0].toUpperCase() : "";
    tag.className = `pg-tag pg-is-${name || "none"}`;
    const [test, text] = ["test", "text"].map((b) => value.heads[b].numbers);
    const place = node.dataset.head.split(",").map((n) => Number(n) + 1);
    const scores = Object.keys(NAMES).map((p) => `${NAMES[p]} ${text[p][i].toFixed(2)} (${test[p][i].toFixed(2)})`);
    node.title = [
      `layer ${place[0]}, head ${place[1]}: ${name ? NAMES[name] : "no simple pattern"}`,
      "share of its attention on each pattern, here and on repeated random tokens:",
      ...scores,
      `entropy ${text.entropy[i].toFixed(2)} bits (${test.entropy[i].toFixed(2)})`,
    ].join("\n");
    node.setAttribute("aria-label", `layer ${place[0]}, head ${place[1]}: ${name ? NAMES[name] : "no simple pattern"}`);
    node.dataset.name = name;
    return numbers;
  }

  async function drawMatrix(plot, figure) {
    const { names } = figure;
    figure.data[0].customdata = names.map((query) => names.map((key) => [query, key]));
    await Plotly.react(plot, figure.data, themed(figure.layout), plotOptions);
  }

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

  Object.assign(playground, {
    focus, setFocus, onFocus, latest, oneAtATime, visibleSpaces, button, choice, tokenRow, facts, download, csv,
    paintHead, headButtons, paintHeads, arrange, describeHead, drawMatrix, bytesOf, sizeOf, headGrid, standalone,
  });
})();
