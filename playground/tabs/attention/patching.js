// Activation patching: where in the model a word is, by putting activations of one text's run into that of another.

import { about, button, choice, make, visibleSpaces } from "../../../assets/dom.js";
import { csv, download } from "../../../assets/files.js";
import { focus, focusedText, onFocus, setFocus } from "../../../assets/head_focus.js";
import { ask, latest } from "../../../assets/server.js";
import { useText } from "../../tour/places.js";
import { endable } from "./endable.js";
import { headPattern } from "./head_pattern.js";
import { decimal } from "./numbers.js";
import { signedLegend, signedTable } from "./signed_table.js";

const ABOUT =
  "The model reads the changed text, but one activation is taken from its run on the clean text. How much of the " +
  "difference between the two answers comes back? 100 %: all of it; 0: none; below 0 it leads away. The residual " +
  "stream shows where the word is after each layer, heads and MLPs show who moves it (Meng et al. 2022, Wang et al. " +
  "2022). One pair of texts is one observation: try others before you believe it.";
const UNIT = "% of the difference that comes back (an empty cell: 0); beyond ±100 the colour stays";

/** In this order they are measured; a residual stream more than there are layers. @type {[string, string][]} */
const KINDS = [
  ["residual", "Residual stream, at one position"],
  ["heads", "A head's output, at all positions"],
  ["mlp", "An MLP's output, at one position"],
];

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  const root = element.querySelector(".pg-patching");
  const form = pairForm(server);
  const maps = mapsOf(props.diverging);
  const measurement = measurementOf(server, form, maps);
  const tools = make("div", "pg-tools");
  tools.append(...measurement.buttons, about(ABOUT));
  root.replaceChildren(form.root, tools, ...measurement.parts, maps.root);

  let [text, model] = ["", ""];
  onFocus(root, () => {
    if (text !== focusedText()) {
      measurement.forget();
      form.show(model !== focus.key.model);
      [text, model] = [focusedText(), focus.key.model];
    }
    maps.mark();
  });
}

// The two texts and their answers. The clean text is the one that stands on the left.
function pairForm(server) {
  const [root, problem, examples, clean] = [make("div"), make("div"), make("div"), make("p", "pg-clean-text")];
  const changed = Object.assign(make("textarea", "pg-own-text-box"), { rows: 2, maxLength: 4000 });
  changed.setAttribute("aria-label", "Changed text");
  changed.placeholder = "The same text with a word replaced by one of as many tokens";
  const answers = ["after the clean text", "after the changed text"].map((where) => {
    const box = Object.assign(make("input", "pg-typed"), { placeholder: "the likeliest", maxLength: 40 });
    box.setAttribute("aria-label", `Answer ${where}`);
    return box;
  });
  const typed = make("div", "pg-tools");
  typed.append("Answers: ", answers[0], " against ", answers[1]);
  const label = (text) => make("p", "pg-note", text);
  root.append(examples, label("Clean text, the one above the heads:"), clean, label("Changed text:"), changed, typed);
  root.append(problem);
  const fetchExamples = latest(problem);

  const use = (example) => {
    changed.value = example.changed;
    [answers[0].value, answers[1].value] = [example.answer, example.other];
    useText(example.clean, "attention");
  };

  /** @param {boolean} isOther model than before: other examples work on it */
  const show = async (isOther) => {
    clean.textContent = visibleSpaces(focus.key.text);
    if (!changed.value) changed.value = focus.key.text;
    if (!isOther) return;
    const found = await fetchExamples(server.patching_examples({ key: focus.key }));
    if (!found) return;
    const offered = found.examples.map(({ title }, i) => /** @type {[number, string]} */ ([i, title]));
    const none = offered.length ? "choose one" : "none works on this model";
    const picker = choice("Example", [["", none], ...offered], (i) => i && use(found.examples[Number(i)]));
    examples.replaceChildren(picker);
  };
  const pair = () => ({ key: focus.key, changed: changed.value, answers: answers.map(({ value }) => value) });
  return { root, show, pair };
}

// One map for each kind of activation, each with its own title.
function mapsOf(scale) {
  const root = make("div", "pg-patch-maps");
  root.hidden = true;
  const choose = (head) => {
    const [layer, at] = head.split(",").map(Number);
    setFocus({ layer, head: at });
  };
  const tables = Object.fromEntries(KINDS.map(([kind]) => [kind, signedTable(scale, choose)]));
  const pattern = headPattern();
  const legend = signedLegend(scale, ["−100", "0", "+100"], UNIT);
  const parts = KINDS.flatMap(([kind, title]) => [make("h4", "", title), tables[kind].root]);
  root.append(legend, ...parts, pattern.root);
  const mark = () => {
    if (root.hidden) return;
    tables.heads.press(`${focus.layer},${focus.head}`);
    pattern.show(focus.grid.tokens.length - 1);
  };

  const draw = (pair, kind, rows) => {
    root.hidden = false;
    tables[kind].draw(...mapOf(pair, kind, rows), 1);
    mark();
  };
  const clear = () => {
    root.hidden = true;
    for (const [kind] of KINDS) tables[kind].draw([], [], 1);
  };
  return { root, draw, clear, mark };
}

/** @param {number} share */
const comesBack = (share) => `${decimal(100 * share, 1)} %`;

/**
 * A map's columns and rows.
 * @param {{clean: string[], changed: string[]}} pair
 * @param {string} kind
 * @param {number[][]} rows shares, layer after layer
 * @returns {[import("./signed_table.js").Column[], import("./signed_table.js").Row[]]}
 */
export function mapOf({ clean, changed }, kind, rows) {
  const [before, after] = [clean.map(visibleSpaces), changed.map(visibleSpaces)];
  const tokens = before.map((name, i) => ({
    name: name === after[i] ? name : `${name} / ${after[i]}`,
    isToken: true,
    isMarked: name !== after[i],
  }));
  const isHeads = kind === "heads";
  const columns = isHeads ? (rows[0] ?? []).map((_, head) => ({ name: String(head + 1) })) : tokens;
  const nameOf = (layer) => (kind !== "residual" ? `layer ${layer + 1}` : layer ? `after layer ${layer}` : "embedding");
  return [
    columns,
    rows.map((shares, layer) => ({
      name: nameOf(layer),
      cells: shares.map((value, i) => ({
        value,
        text: Math.abs(value) < 0.005 ? "" : decimal(100 * value, 0),
        facts: [
          [isHeads ? `layer ${layer + 1}, head ${i + 1}` : `${nameOf(layer)}, ${tokens[i].name}`, comesBack(value)],
        ],
        head: isHeads ? `${layer},${i}` : undefined,
      })),
    })),
  ];
}

// All patches, layer by layer, with progress and an end.
function measurementOf(server, form, maps) {
  const [state, bar] = [make("p", "pg-note"), make("progress", "pg-progress")];
  state.setAttribute("role", "status");
  /** @type {any} */
  let pair = null;
  /** @type {Record<string, number[][]>} */
  let measured = {};
  let running = null; // who can end the measurement under way

  const save = () => download("patching.csv", csv(linesOf(pair, measured)), "text/csv");
  const buttons = {
    measure: button("Patch", () => measure(), "pg-button pg-primary"),
    stop: button("Stop", () => running?.stop()),
    save: button("Save (CSV)", save),
  };
  const show = () => {
    [buttons.stop.disabled, buttons.save.disabled, bar.hidden] = [!running, !measured.residual?.length, !running];
  };

  const forget = () => {
    running?.abandon();
    [pair, measured, running] = [null, {}, null];
    maps.clear();
    state.textContent = "";
    show();
  };

  async function measure() {
    forget();
    const mine = (running = endable());
    state.textContent = "Reading both texts …";
    show();
    const asked = form.pair();
    const found = await ask(server.patching_pair(asked));
    const error = found.error ?? (mine.abandoned() ? "" : await measureLayers(mine, asked, found));
    if (mine.abandoned()) return; // another text, or another measurement, meanwhile
    running = null;
    state.replaceChildren(error ? make("span", "pg-error", error) : outcomeOf(pair, measured, mine.stopped()));
    show();
  }

  async function measureLayers(mine, asked, found) {
    pair = found;
    measured = Object.fromEntries(KINDS.map(([kind]) => [kind, []]));
    const steps = KINDS.flatMap(([kind, title]) =>
      Array.from({ length: found.n_layer + Number(kind === "residual") }, (_, layer) => ({ kind, title, layer })),
    );
    bar.max = steps.length;
    for (const [i, { kind, title, layer }] of steps.entries()) {
      if (mine.stopped()) return "";
      bar.value = i;
      state.textContent = `${title}: step ${i + 1} of ${steps.length} …`;
      const { shares, error } = await ask(server.patch_layer({ ...asked, kind, layer }));
      if (mine.abandoned() || error) return error ?? "";
      measured[kind].push(shares);
      maps.draw(pair, kind, measured[kind]);
    }
    return "";
  }

  show();
  return { parts: [state, bar], buttons: Object.values(buttons), forget };
}

/**
 * What the pair is, and which head and which MLP bring back most.
 * @param {any} pair
 * @param {Record<string, number[][]>} measured
 * @param {boolean} stopped before all were measured
 */
export function outcomeOf({ answers, differences, note, clean }, measured, stopped) {
  const [answer, other] = answers.map((text) => `“${visibleSpaces(text)}”`);
  const [before, after] = differences.map((value) => decimal(value, 2));
  const parts = [
    stopped ? "Stopped." : "",
    note,
    `Logit of ${answer} minus that of ${other}: ${before} after the clean text, ${after} after the changed one.`,
  ];
  const head = strongest(measured.heads);
  if (head)
    parts.push(`Head that brings back most: layer ${head.row + 1}, head ${head.at + 1} (${comesBack(head.value)}).`);
  const mlp = strongest(measured.mlp);
  if (mlp) parts.push(`MLP: layer ${mlp.row + 1} at “${visibleSpaces(clean[mlp.at])}” (${comesBack(mlp.value)}).`);
  return parts.filter(Boolean).join(" ");
}

/** @param {number[][]} rows */
const strongest = (rows) =>
  rows
    .flatMap((values, row) => values.map((value, at) => ({ row, at, value })))
    .reduce((best, each) => (!best || each.value > best.value ? each : best), null);

/** @param {any} pair @param {Record<string, number[][]>} measured @returns {any[][]} */
const linesOf = ({ clean, changed }, measured) => [
  ["activation", "layer", "head", "position", "clean token", "changed token", "share that comes back"],
  ...Object.entries(measured).flatMap(([kind, rows]) =>
    rows.flatMap((shares, row) =>
      shares.map((value, i) =>
        kind === "heads"
          ? [kind, row + 1, i + 1, "", "", "", value]
          : [kind, kind === "residual" ? row : row + 1, "", i, clean[i], changed[i], value],
      ),
    ),
  ),
];
