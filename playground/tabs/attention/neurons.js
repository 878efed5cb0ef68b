// Neurons: what excites a unit of an MLP, on the text and in the corpus, and which tokens it makes likelier.

import { about, button, choice, headCell, make, number, visibleSpaces } from "../../../assets/dom.js";
import { focus, focusedText, onFocus, setFocus } from "../../../assets/head_focus.js";
import { latest } from "../../../assets/server.js";
import { tips } from "../../../assets/tip.js";
import { neuronSearch } from "./neuron_search.js";
import { decimal } from "./numbers.js";
import { tokenRow } from "./token_row.js";

const ABOUT =
  "After each layer's heads, an MLP: units that fire at what they recognise, and then add what they have learned to " +
  "say (Geva et al. 2021). Click a token to see which units say most there, and one of them to see where else it " +
  "fires. What it raises and lowers is exact for the last layers; what earlier ones add is read by others first.";
const EFFECT =
  "Change of the token's logit for an activation of 1, before the last layer norm divides by the spread of the stream.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-neurons");
  const [problem, best, body] = [make("div"), make("p", "pg-neuron-best"), make("div")];
  const [fetchBest, fetchUnit] = [latest(problem), latest(problem)];
  const chosen = { layer: 0, unit: -1 };
  const choose = (layer, unit) => {
    Object.assign(chosen, { layer, unit });
    drawUnit();
  };
  const picker = unitPicker(choose);
  const search = neuronSearch(server, () => chosen.unit >= 0 && drawUnit());
  root.replaceChildren(picker.root, problem, best, body, search.root);
  let found = null;
  tips(body, ".pg-token", (node) => {
    const i = Number(node.dataset.place);
    return [[visibleSpaces(found.tokens[i]), `activation ${decimal(found.activations[i])}`]];
  });

  const drawUnit = async () => {
    const { layer, unit } = chosen;
    const next = await fetchUnit(server.neuron({ key: focus.key, layer, unit }));
    if (!next) return next === null && body.replaceChildren();
    found = next;
    problem.replaceChildren();
    picker.set(layer, unit);
    mark(best, chosen);
    body.replaceChildren(...onText(found), ...effects(found));
    search.show(found);
    root.dataset.unit = `${layer},${unit}`;
  };

  const drawBest = async () => {
    const now = await fetchBest(server.strongest({ key: focus.key, query: focus.query }));
    if (!now) return;
    problem.replaceChildren();
    picker.layOut(focus.shape[0], now.n_units);
    best.replaceChildren(...strongestOf(now, choose));
    if (chosen.unit < 0) choose(now.units[0][0], now.units[0][1]);
    else mark(best, chosen);
  };

  let [text, model, query] = ["", "", null];
  onFocus(root, () => {
    const isNewText = text !== focusedText();
    if (model !== focus.key.model) chosen.unit = -1;
    if (isNewText) search.look();
    if (isNewText && chosen.unit >= 0) drawUnit();
    if (isNewText || query !== focus.query) drawBest();
    [text, model, query] = [focusedText(), focus.key.model, focus.query];
  });
}

// Layer and unit, by their numbers.
function unitPicker(choose) {
  const [root, field, frame] = [
    make("div", "pg-tools"),
    make("input", "pg-number"),
    make("label", "pg-choice", "Unit"),
  ];
  Object.assign(field, { type: "number", min: 1, step: 1, id: "neuron-unit" });
  const count = make("span", "pg-note");
  const changed = () => choose(Number(layers.select.value), Math.round(Number(field.value) || 1) - 1);
  const layers = choice("Layer", [], changed);
  field.onchange = changed;
  frame.append(field);
  root.append(layers, frame, count, about(ABOUT));
  const layOut = (n_layer, n_units) => {
    const kept = layers.select.value;
    layers.select.replaceChildren(
      ...Array.from({ length: n_layer }, (_, layer) => new Option(String(layer + 1), String(layer))),
    );
    if (Number(kept) < n_layer) layers.select.value = kept;
    field.max = n_units;
    count.textContent = `of ${number(n_units)}`;
  };
  const set = (layer, unit) => {
    layers.select.value = String(layer);
    field.value = unit + 1;
  };
  return { root, layOut, set };
}

/** The units that add most at a token, to be chosen. */
function strongestOf({ units, position }, choose) {
  const token = make("code", "", visibleSpaces(focus.grid.tokens[position]));
  const buttons = units.map(([layer, unit, activation]) => {
    const node = button(`layer ${layer + 1}, unit ${unit + 1}`, () => choose(layer, unit), "pg-button pg-neuron-unit");
    node.append(make("span", "pg-neuron-strength", ` ${decimal(activation, 2)}`));
    node.dataset.unit = `${layer},${unit}`;
    return node;
  });
  return ["At ", token, " these add most (with their activation): ", ...buttons];
}

const mark = (best, { layer, unit }) =>
  best
    .querySelectorAll("[data-unit]")
    .forEach((node) => node.setAttribute("aria-pressed", node.dataset.unit === `${layer},${unit}`));

function onText({ tokens, activations }) {
  const largest = Math.max(...activations, 0);
  const row = tokenRow(tokens, (i) => setFocus({ query: i }));
  row.classList.add("pg-lit");
  row.buttons.forEach((node, i) => {
    node.style.setProperty("--weight", String(Math.max(0, activations[i]) / (largest || 1)));
    node.dataset.place = String(i);
  });
  return [make("h3", "", `On this text: at most ${decimal(largest, 2)}`), row];
}

function effects({ raised, lowered }) {
  const both = make("div", "pg-two");
  const largest = Math.max(...[...raised, ...lowered].map(([, change]) => Math.abs(change)));
  both.append(effectTable("Raises", raised, largest, 0), effectTable("Lowers", lowered, largest, 1));
  return [both, make("p", "pg-note", EFFECT)];
}

function effectTable(title, rows, largest, color) {
  const table = make("table", "pg-table");
  const head = make("tr");
  head.append(...[title, "logit", ""].map((name) => headCell(name)));
  const lines = rows.map(([token, change]) => {
    const [line, bar] = [make("tr"), make("td", `pg-bar pg-bar-${color}`)];
    bar.style.setProperty("--weight", String(Math.abs(change) / largest));
    line.append(make("td", "pg-mono", visibleSpaces(token)), make("td", "", decimal(change)), bar);
    return line;
  });
  table.append(head, ...lines);
  return table;
}
