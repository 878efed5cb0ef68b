// Tokenizer tab: the merge scrubber. The server says once how many merges each boundary of the text survives; every
// position of the slider is then computed here.
"use strict";

(() => {
  const { make, ask, themed, plotOptions, visibleSpaces, facts } = playground;
  const { number, spacedHex, visible, chip, passage, fill, panel, details } = playground.tokens;

  // The pieces of the text after n merges, as [start, end) in bytes.
  function piecesAfter(n, { boundaries, bytes }) {
    const pieces = [];
    let start = 0;
    for (let i = 0; i < boundaries.length; i++)
      if (boundaries[i] > n) {
        pieces.push([start, i + 1]);
        start = i + 1;
      }
    if (bytes.length) pieces.push([start, bytes.length / 2]);
    return pieces;
  }

  // A piece keeps its colour while others merge, unless it would look like the one before it.
  function colors(pieces) {
    let last = -1;
    return pieces.map(([start]) => (last = start % 5 === last ? (start + 1) % 5 : start % 5));
  }

  function figures(n, hexes, { merges, specials, n_embd, block_size, bytes }) {
    const [rows, used] = [256 + n + specials, new Set(hexes).size];
    const share = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`;
    const pairs = [
      ["merges", `${number(n)} of ${number(merges)}`],
      ["tokens", number(hexes.length)],
      ["bytes per token", hexes.length ? (bytes.length / 2 / hexes.length).toFixed(2) : "–"],
      ["of the vocabulary in use", `${number(used)} of ${number(rows)} (${share(used, rows)})`],
    ];
    if (n_embd)
      pairs.push(
        [`embedding parameters (${number(rows)} × ${n_embd})`, number(rows * n_embd)],
        [`of the context of ${number(block_size)} tokens`, share(hexes.length, block_size)],
      );
    return pairs;
  }

  function slider(label) {
    const input = make("input", "pg-range");
    Object.assign(input, { type: "range", min: 0, step: 1 });
    input.setAttribute("aria-label", label);
    return input;
  }

  function scrubber(element, props, watch, server) {
    const root = element.querySelector(".pg-scrubber");
    const [range, exact] = [slider("Merges applied"), make("input", "pg-number")];
    Object.assign(exact, { type: "number", min: 0, step: 1 });
    exact.setAttribute("aria-label", "Merges applied, exactly");
    const controls = make("div", "pg-scrub");
    controls.append(make("span", "", "bytes"), range, make("span", "", "all merges"), exact);
    const [counts, note, plot, one] = [make("div"), make("p", "pg-note"), make("div", "pg-merge-curve"), details(server)];
    let [seen, wish, hexes, n, due] = [null, null, [], null, false];

    const describe = (i) => [
      ["token", visibleSpaces(visible(hexes[i]).text)],
      ["bytes", spacedHex(hexes[i])],
      ["in this text", `${number(hexes.filter((hex) => hex === hexes[i]).length)}×`],
    ];
    const chips = passage("Tokens after these merges", describe, (i) => one.open({ ...wish, text: undefined, hex: hexes[i] }));

    function draw() {
      due = false;
      const pieces = piecesAfter(n, seen);
      hexes = pieces.map(([start, end]) => seen.bytes.slice(2 * start, 2 * end));
      const color = colors(pieces);
      fill(chips, hexes.map((hex, i) => chip(hex, color[i], wish.spaces)), hexes);
      counts.replaceChildren(facts(figures(n, hexes, seen)));
      range.setAttribute("aria-valuetext", `${number(n)} merges, ${number(hexes.length)} tokens`);
      if (plot.data) Plotly.restyle(plot, { x: [[place()]], y: [[hexes.length]], text: [[number(n)]] }, [1]);
      root.dataset.merges = n;
    }

    // Where n lies among the slider's positions, for the curve: between two of them in proportion.
    function place() {
      const at = seen.positions.findLastIndex((position) => position <= n);
      const [low, high] = [seen.positions[at], seen.positions[at + 1] ?? n + 1];
      return at + (n - low) / (high - low);
    }

    function move(to) {
      n = Math.max(0, Math.min(seen.merges, Math.round(to) || 0));
      exact.value = n;
      if (!due) requestAnimationFrame(draw); // as often as the screen shows something
      due = true;
    }
    range.oninput = () => move(seen.positions[range.value]);
    exact.oninput = () => {
      move(Number(exact.value));
      range.value = Math.floor(place());
    };

    panel(root, props, watch, async (next) => {
      const answer = await ask(server.boundaries({ ...next, text: next.text.toWellFormed() }));
      if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
      const atTheEnd = n === null || n === seen?.merges || seen?.name !== answer.name;
      [seen, wish] = [answer, { ...next, vocabulary: answer.name }];
      if (!controls.isConnected) root.replaceChildren(controls, counts, note, chips, plot, one.root);
      note.textContent = answer.note;
      range.max = answer.positions.length - 1;
      exact.max = answer.merges;
      range.disabled = exact.disabled = answer.merges === 0;
      move(atTheEnd ? answer.merges : n);
      range.value = Math.floor(place());
      await Plotly.react(plot, answer.figure.data, themed(answer.figure.layout), { ...plotOptions, displayModeBar: false });
      draw();
    });
  }

  Object.assign(playground, { scrubber });
})();
