// Attention tab: what its panels share. The head in focus, small parts, and how heads are drawn.
"use strict";

(() => {
  const { make, ask, isVisible, themed, plotOptions, button, visibleSpaces, bytesOf } = playground;

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
  function arrange(grid, buttons, { n_head }, order = null) {
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

  Object.assign(playground, {
    focus, setFocus, onFocus, latest, oneAtATime, choice, tokenRow, csv,
    sizeOf, paintHead, headButtons, paintHeads, arrange, NAMES, describeHead, drawMatrix,
  });
})();
