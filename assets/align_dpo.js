// Align tab, DPO: how the two answers of each held-out pair have moved since the parent.
"use strict";

(() => {
  const { make, button, cssColor, picture } = playground;
  const nats = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(1)}`;
  const direction = (value) => (value > 0.05 ? "likelier" : value < -0.05 ? "less likely" : "as likely as before");

  // What a reader of the picture should not miss.
  function story(pairs) {
    const grown = pairs.filter(({ chosen, rejected }) => chosen > rejected);
    const fallen = grown.filter(({ chosen }) => chosen < 0);
    const begun = pairs.some(({ chosen, rejected }) => chosen || rejected);
    if (!begun) return "Nothing has moved yet.";
    const margin = `In ${grown.length} of ${pairs.length} pairs the margin grew.`;
    if (!fallen.length) return margin;
    return `${margin} In ${fallen.length} of these the preferred answer fell, yet the margin grew: the rejected one fell further. DPO pays for the distance alone, not for making the preferred answer likely; what both lose goes to answers that nobody has voted on.`;
  }

  const paragraph = (className, ...parts) => {
    const node = make("p", className);
    node.append(...parts);
    return node;
  };

  // The texts of one pair, beside the plot; reached by a click on its point, or by the buttons.
  function reader(choose) {
    const node = make("div", "pg-pair");
    const texts = make("div");
    const title = make("span", "pg-number-shown");
    let [chosen, count] = [0, 0];
    const step = (by) => () => count && choose((chosen + by + count) % count);
    const bar = make("p", "pg-tools");
    bar.append(button("‹ Previous", step(-1)), title, button("Next ›", step(1)));
    node.append(bar, texts);
    const show = (index, { prompt, chosen: preferred, rejected, tie } = {}, pair, of) => {
      [chosen, count] = [index, of];
      title.textContent = `pair ${index + 1} of ${of}`;
      const answer = (name, color, text, moved) => {
        const quote = make("blockquote", "pg-quoted", text);
        quote.style.borderLeftColor = color;
        return [paragraph("pg-pair-name", make("strong", "", name), ` ${nats(moved)} nats: ${direction(moved)}`), quote];
      };
      texts.replaceChildren(
        ...(prompt === undefined ? [] : [make("p", "pg-pair-prompt", prompt)]),
        ...answer(tie ? "One of a tie" : "Preferred", "#0072b2", preferred ?? "", pair.chosen),
        ...answer(tie ? "The other" : "Rejected", "#d55e00", rejected ?? "", pair.rejected),
      );
    };
    return { node, show };
  }

  function alignDpo(figure) {
    const node = make("section");
    const shown = picture("", "", 380);
    const [told, sides] = [make("p", "pg-story"), make("div", "pg-two pg-halves")];
    const about = "A point is a held-out pair, moved from where the parent is, at 0. Below the dashed line its margin has grown; left of 0 its preferred answer is less likely than before. Click a point to read its texts.";
    let [chosen, last] = [0, null];
    const texts = reader((index) => ((chosen = index), last && draw(...last)));
    sides.append(shown.plot, texts.node);
    node.append(make("h3", "", "How each pair has moved"), make("p", "pg-note", about), told, sides);

    const tracesOf = (lines, index) => {
      const [text, { pairs }] = [cssColor("--body-text-color"), lines[index]];
      const [x, y] = [pairs.map((pair) => pair.chosen), pairs.map((pair) => pair.rejected)];
      const trail = lines.slice(0, index + 1).map((line) => line.pairs[chosen]).filter(Boolean);
      const apart = pairs.map((pair) => pair.chosen > pair.rejected);
      return [
        {
          type: "scatter", mode: "lines", name: "path of the chosen pair", x: [0, ...trail.map((pair) => pair.chosen)], y: [0, ...trail.map((pair) => pair.rejected)],
          line: { color: text, width: 1.5, dash: "dot" }, hoverinfo: "skip", showlegend: false,
        },
        ...[true, false].map((grown) => {
          const some = pairs.map((_, i) => i).filter((i) => apart[i] === grown);
          return {
            type: "scatter", mode: "markers", name: grown ? "margin grew" : "margin shrank", x: some.map((i) => x[i]), y: some.map((i) => y[i]), customdata: some,
            marker: {
              color: grown ? figure.colors.right : figure.colors.wrong, symbol: grown ? "circle" : "x", opacity: 0.85,
              size: some.map((i) => (i === chosen ? 15 : 8)), line: { color: text, width: some.map((i) => (i === chosen ? 2.5 : 0.5)) },
            },
            hovertemplate: "preferred %{x:+.1f} nats<br>rejected %{y:+.1f} nats<extra>click to read it</extra>",
          };
        }),
      ];
    };

    async function draw(lines, index) {
      last = [lines, index];
      const { pairs } = lines[index];
      chosen = Math.min(chosen, pairs.length - 1);
      const all = lines.flatMap((line) => line.pairs.flatMap((pair) => [pair.chosen, pair.rejected]));
      const [low, high] = [Math.min(-1, ...all) * 1.05, Math.max(1, ...all) * 1.05]; // of all steps: the axes stay while one looks back
      told.textContent = story(pairs);
      texts.show(chosen, lines.find((line) => line.texts)?.texts[chosen], pairs[chosen], pairs.length);
      const equal = { type: "line", x0: low, x1: high, y0: low, y1: high, line: { color: cssColor("--body-text-color"), width: 1, dash: "dash" }, layer: "below" };
      const axis = (about) => ({ ...about, range: [low, high], zeroline: true, zerolinewidth: 2 });
      await shown.draw(tracesOf(lines, index), {
        xaxis: axis(figure.movement.xaxis), yaxis: axis(figure.movement.yaxis), shapes: [equal], uirevision: "movement",
        legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" }, margin: { l: 62, r: 14, t: 30, b: 48 },
      });
      if (!shown.plot.dataset.heard) {
        shown.plot.dataset.heard = "yes";
        shown.plot.on("plotly_click", ({ points: [{ customdata }] }) => customdata !== undefined && ((chosen = customdata), draw(...last)));
      }
    }
    return { node, draw, holds: ({ pairs }) => Boolean(pairs?.length) };
  }

  Object.assign(playground, { alignDpo });
})();
