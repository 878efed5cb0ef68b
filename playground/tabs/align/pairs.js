// How the two answers of each held-out pair have moved since the parent, as DPO moves them.

import { cssColor } from "../../../assets/colors.js";
import { about, button, make } from "../../../assets/dom.js";
import { LEGEND_ABOVE, MARGIN_BELOW_LEGEND, picture } from "../../../assets/pictures.js";

/** @typedef {{chosen: number, rejected: number}} Moved by how many nats each of the two is likelier now */

const nats = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(1)}`;
const direction = (value) => (value > 0.05 ? "likelier" : value < -0.05 ? "less likely" : "as likely as before");
const hasGrown = ({ chosen, rejected }) => chosen > rejected;

/** What a reader of the picture should not miss. @param {Moved[]} pairs */
export function storyOf(pairs) {
  const grown = pairs.filter(hasGrown);
  const fallen = grown.filter(({ chosen }) => chosen < 0);
  const begun = pairs.some(({ chosen, rejected }) => chosen || rejected);
  if (!begun) return "Nothing has moved yet.";
  const margin = `In ${grown.length} of ${pairs.length} pairs the margin grew.`;
  if (!fallen.length) return margin;
  return (
    `${margin} In ${fallen.length} of these the preferred answer fell, yet the margin grew: the rejected one fell ` +
    "further. DPO pays for the distance alone, not for making the preferred answer likely; what both lose goes to " +
    "answers that nobody has voted on."
  );
}

/**
 * The range of both axes: of all steps, so that they stay while one looks back.
 * @param {{pairs: Moved[]}[]} lines
 * @returns {[number, number]}
 */
export function rangeOf(lines) {
  const all = lines.flatMap(({ pairs }) => pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]));
  return [Math.min(-1, ...all) * 1.05, Math.max(1, ...all) * 1.05];
}

// --- the texts of one pair ----------------------------------------------------------------------------------------

function movedAnswer(name, color, text, moved) {
  const head = make("p", "pg-pair-name");
  head.append(make("strong", "", name), ` ${nats(moved)} nats: ${direction(moved)}`);
  const quote = make("blockquote", "pg-quoted", text);
  quote.style.borderLeftColor = color;
  return [head, quote];
}

// Beside the plot; reached by a click on its point, or by the buttons.
function reader(colors, choose) {
  const root = make("div", "pg-pair");
  const texts = make("div");
  const title = make("span", "pg-number-shown");
  let [at, count] = [0, 0];
  const step = (by) => () => count && choose((at + by + count) % count);
  const bar = make("p", "pg-tools");
  bar.append(button("‹ Previous", step(-1)), title, button("Next ›", step(1)));
  root.append(bar, texts);
  const show = (index, pairs, { prompt, chosen, rejected, tie } = /** @type {any} */ ({})) => {
    [at, count] = [index, pairs.length];
    title.textContent = `pair ${index + 1} of ${count}`;
    const moved = pairs[index];
    texts.replaceChildren(
      ...(prompt === undefined ? [] : [make("p", "pg-pair-prompt", prompt)]),
      ...movedAnswer(tie ? "One of a tie" : "Preferred", colors.right, chosen ?? "", moved.chosen),
      ...movedAnswer(tie ? "The other" : "Rejected", colors.wrong, rejected ?? "", moved.rejected),
    );
  };
  return { root, show };
}

// --- the plot ------------------------------------------------------------------------------------------------

const HOVER = "preferred %{x:+.1f} nats<br>rejected %{y:+.1f} nats<extra>click to read it</extra>";

// The way of the chosen pair up to now, then all pairs: those whose margin grew, and the others.
function tracesOf(lines, index, at, { right, wrong }) {
  const [color, { pairs }] = [cssColor("--body-text-color"), lines[index]];
  const path = lines
    .slice(0, index + 1)
    .map((line) => line.pairs[at])
    .filter(Boolean);
  const trail = {
    ...{ type: "scatter", mode: "lines", name: "path of the chosen pair", hoverinfo: "skip", showlegend: false },
    x: [0, ...path.map((pair) => pair.chosen)],
    y: [0, ...path.map((pair) => pair.rejected)],
    line: { color, width: 1.5, dash: "dot" },
  };
  const cloud = (name, grown, look) => {
    const some = pairs.map((_, i) => i).filter((i) => hasGrown(pairs[i]) === grown);
    const size = some.map((i) => (i === at ? 15 : 8));
    const width = some.map((i) => (i === at ? 2.5 : 0.5));
    return {
      ...{ type: "scatter", mode: "markers", name, customdata: some, hovertemplate: HOVER },
      x: some.map((i) => pairs[i].chosen),
      y: some.map((i) => pairs[i].rejected),
      marker: { ...look, opacity: 0.85, size, line: { color, width } },
    };
  };
  return [
    trail,
    cloud("margin grew", true, { color: right, symbol: "circle" }),
    cloud("margin shrank", false, { color: wrong, symbol: "x" }),
  ];
}

function layoutOf(lines, movement) {
  const [low, high] = rangeOf(lines);
  const dashed = { color: cssColor("--body-text-color"), width: 1, dash: "dash" };
  const equal = { type: "line", x0: low, x1: high, y0: low, y1: high, line: dashed, layer: "below" };
  const axis = (about) => ({ ...about, range: [low, high], zeroline: true, zerolinewidth: 2 });
  return {
    xaxis: axis(movement.xaxis),
    yaxis: axis(movement.yaxis),
    ...{ shapes: [equal], uirevision: "movement", legend: LEGEND_ABOVE, margin: MARGIN_BELOW_LEGEND },
  };
}

const ABOUT =
  "A point is a held-out pair, moved from where the parent is, at 0. Below the dashed line its margin has grown; " +
  "left of 0 its preferred answer is less likely than before. Click a point to read its texts.";

/**
 * @param {any} figure see playground/tabs/align/pictures.py
 * @returns {import("./details.js").Picture}
 */
export function pairs(figure) {
  const root = make("section");
  const shown = picture("", "", 380);
  const [story, sides] = [make("p", "pg-story"), make("div", "pg-two pg-halves")];
  let [at, last, isListening] = [0, null, false];
  const choose = (index) => {
    at = index;
    if (last) draw(...last);
  };
  const texts = reader(figure.colors, choose);
  sides.append(shown.plot, texts.root);
  const title = make("h3", "", "How each pair has moved ");
  title.append(about(ABOUT));
  root.append(title, story, sides);

  async function draw(lines, index) {
    last = [lines, index];
    const { pairs: moved } = lines[index];
    at = Math.min(at, moved.length - 1);
    story.textContent = storyOf(moved);
    texts.show(at, moved, lines.find((line) => line.texts)?.texts[at]);
    await shown.draw(tracesOf(lines, index, at, figure.colors), layoutOf(lines, figure.movement));
    if (isListening) return;
    isListening = true;
    /** @type {any} */ (shown.plot).on("plotly_click", ({ points: [{ customdata }] }) => {
      if (customdata !== undefined) choose(customdata);
    });
  }
  return { root, draw };
}
