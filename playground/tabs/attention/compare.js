// Two models on the same text, side by side, and where they differ.

import { about, choice, facts, make } from "../../../assets/dom.js";
import { display, focus, focusedText, onShown, setFocus } from "../../../assets/head_focus.js";
import { plotly } from "../../../assets/plots.js";
import { latest } from "../../../assets/server.js";
import { arrange, headButtons, headTips, labelHeads, paintHeads } from "./head_pictures.js";
import { drawMatrix } from "./matrix.js";

const ABOUT =
  "Two models read the same text. In the difference, orange cells got more attention in the second one, blue " +
  "cells less. Compare a model with one that was trained further from it, and click the head that changed most.";
const ALONE = "There is only one model yet: train a second one in the Train tab, then compare them here.";
const NONE =
  "None of the other models can be compared with this one: choose one that was trained from another, or train " +
  "one with its vocabulary.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-compare");
  const [tools, problem, summary] = [make("div", "pg-tools"), make("div"), make("div")];
  const [grids, plot] = [make("div", "pg-three"), make("div", "pg-focus")];
  root.replaceChildren(tools, problem, summary, grids, plot);
  headTips(grids);
  const [fetchOthers, fetchBoth, fetchHead] = [latest(problem), latest(problem), latest(problem)];
  let [other, seen, differs, relabel] = ["", "", false, () => {}];

  const clearPlot = async () => plot.data && (await plotly()).purge(plot);

  const clear = (sentence = "") => {
    [differs, relabel] = [false, () => {}];
    for (const part of [summary, grids]) part.replaceChildren();
    if (sentence) problem.replaceChildren(make("p", "pg-note", sentence));
    clearPlot();
  };

  const draw = async () => {
    const found = await fetchBoth(server.compare({ key: focus.key, other }));
    if (found === undefined) return;
    if (!found) return clear();
    problem.replaceChildren();
    const names = [focus.key.model, other];
    const columns = columnsOf(found, names);
    relabel = columns.relabel;
    grids.replaceChildren(...columns.sides);
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

  const begin = async () => {
    seen = focusedText();
    const found = await fetchOthers(server.others({ key: focus.key }));
    if (!found) return;
    if (!found.others.length) return clear(ALONE);
    const able = found.others.filter(([, reason]) => !reason).map(([name]) => name);
    if (!able.includes(other)) other = able[0] ?? "";
    const picker = otherPicker(found.others, other, (name) => {
      other = name;
      draw();
    });
    tools.replaceChildren(picker, about(ABOUT));
    if (other) draw();
    else clear(NONE);
  };

  let head = "";
  onShown(root, () => {
    const now = String([focus.layer, focus.head]);
    if (seen !== focusedText()) begin();
    else if (head !== now) drawHead();
    head = now;
    relabel();
  });
}

/** @param {[string, string][]} others [name, why it cannot be compared] @param {string} other the chosen one */
function otherPicker(others, other, choose) {
  const named = /** @type {[string, string][]} */ (
    others.map(([name, why]) => [name, why ? `${name} (${why})` : name])
  );
  const picker = choice("Compare with", named, choose);
  others.forEach(([, reason], i) => (picker.select.options[i].disabled = Boolean(reason)));
  picker.select.value = other;
  return picker;
}

/**
 * The grids side by side, and what names their heads as the large grid does.
 * @param {any} found @param {string[]} names
 */
function columnsOf({ mine, theirs, change, scale }, [model, other]) {
  const [left, right] = [
    column(model, mine, mine.weights, mine.scale),
    column(other, theirs, theirs.weights, theirs.scale),
  ];
  const relabel = () => {
    labelHeads(left.buttons, mine, display.basis);
    labelHeads(right.buttons, theirs, display.basis);
  };
  relabel();
  const columns = change ? [left, right, column("difference", theirs, change, scale)] : [left, right];
  return { sides: columns.map(({ side }) => side), relabel };
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
