// Two models on the same text, side by side, and where they differ.

import { choice, facts, make } from "../../../assets/dom.js";
import { focus, focusedText, onFocus, setFocus } from "../../../assets/head_focus.js";
import { plotly } from "../../../assets/plots.js";
import { latest } from "../../../assets/server.js";
import { arrange, headButtons, labelHeads, paintHeads } from "./head_pictures.js";
import { drawMatrix } from "./matrix.js";

const ALONE = "There is only one model yet: train a second one in the Train tab, then compare them here.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-compare");
  const [tools, problem, summary] = [make("div", "pg-tools"), make("div"), make("div")];
  const [grids, plot] = [make("div", "pg-three"), make("div", "pg-focus")];
  root.replaceChildren(tools, problem, summary, grids, plot);
  const [fetchNames, fetchBoth, fetchHead] = [latest(problem), latest(problem), latest(problem)];
  let [other, seen, differs] = ["", "", false];

  const clearPlot = async () => plot.data && (await plotly()).purge(plot);

  const clear = () => {
    for (const part of [summary, grids]) part.replaceChildren();
    clearPlot();
  };

  const draw = async () => {
    const found = await fetchBoth(server.compare({ key: focus.key, other }));
    if (found === undefined) return;
    differs = false;
    if (!found) return clear();
    problem.replaceChildren();
    const names = [focus.key.model, other];
    grids.replaceChildren(...columnsOf(found, names));
    summary.replaceChildren(facts(lossesOf(found, names)), make("p", "pg-note", found.note ?? legendOf(found, other)));
    differs = Boolean(found.change);
    drawHead();
  };

  const drawHead = async () => {
    if (!differs) return clearPlot();
    const { key, layer, head } = focus;
    const figure = await fetchHead(server.head_difference({ key, other, layer, head }));
    if (figure) await drawMatrix(plot, figure);
  };

  onFocus(root, async () => {
    if (seen === focusedText()) return drawHead();
    seen = focusedText();
    const found = await fetchNames(server.others({ key: focus.key }));
    if (!found) return;
    if (!found.names.length) {
      clear();
      return problem.replaceChildren(make("p", "pg-note", ALONE));
    }
    if (!found.names.includes(other)) other = found.names[0];
    const options = found.names.map((name) => [name, name]);
    const picker = choice("Compare with", options, (name) => {
      other = name;
      draw();
    });
    picker.select.value = other;
    tools.replaceChildren(picker);
    draw();
  });
}

/** @param {any} found @param {string[]} names */
function columnsOf({ mine, theirs, change, scale }, [model, other]) {
  const [left, right] = [
    column(model, mine, mine.weights, mine.scale),
    column(other, theirs, theirs.weights, theirs.scale),
  ];
  labelHeads(left.buttons, mine, "test");
  labelHeads(right.buttons, theirs, "test");
  const columns = change ? [left, right, column("difference", theirs, change, scale)] : [left, right];
  return columns.map(({ side }) => side);
}

function column(title, value, weights, scale) {
  const [side, grid] = [make("div"), make("div")];
  const buttons = headButtons(value, (layer, head) => setFocus({ layer, head }));
  paintHeads(buttons, weights, value.tokens.length, scale);
  arrange(grid, buttons, value);
  side.append(make("h3", "", title), grid);
  return { side, buttons };
}

/** @param {any} found @param {string[]} names @returns {[string, string][]} */
const lossesOf = ({ mine, theirs }, [model, other]) =>
  [
    { name: model, loss: mine.loss },
    { name: other, loss: theirs.loss },
  ]
    .filter(({ loss }) => loss !== null)
    .map(({ name, loss }) => [`loss of ${name}, nats a token`, loss.toFixed(3)]);

const legendOf = ({ largest }, other) =>
  `Orange: ${other} looks there more; blue: less. Strongest colour: ${largest.toFixed(2)}.`;
