// One head edited, and what the model then writes beside what it writes untouched.

import { about, button, choice, make, visibleSpaces } from "../../../assets/dom.js";
import { focus, focusedName, focusedText, onFocus } from "../../../assets/head_focus.js";
import { ask, debounce, oneAtATime } from "../../../assets/server.js";
import { tips } from "../../../assets/tip.js";
import { lossChange } from "./next_token_table.js";
import { percent } from "./numbers.js";
import { tokenRow } from "./token_row.js";
import { describeDifference, differs } from "./written.js";

const ABOUT =
  "The model goes on with this text twice, with the same random numbers: as it is, and with one head changed. At 0 " +
  "the head adds nothing, at 2 twice as much. Fixed on one token, it looks there whatever it would have looked at; " +
  "tokens before that one do not see it and stay as they are. Marked: a token that is not the same at that place. " +
  "Only these two copies are changed, nobody else's model.";
const RESTED = 150; // ms without a move of the slider before the model writes
const TAIL = 12; // tokens of the text that stand before what is written
const LENGTHS = [20, 40, 80, 160].map((n) => /** @type {[number, string]} */ ([n, `${n} tokens`]));
/** @type {[string, string][]} */
const GAZES = [
  ["own", "as it does"],
  ["token", "only at one token"],
];
/** @type {[string, string][]} */
const DRAWS = [
  ["0", "the likeliest token"],
  ["0.8", "at temperature 0.8"],
];

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-edit");
  const wish = { scale: 0, gaze: "own", token: 0, temperature: 0, seed: 0, length: 40 };
  const change = (changes) => {
    Object.assign(wish, changes);
    show();
  };
  const controls = controlsOf(wish, change);
  const [pick, said, columns] = [make("div"), make("p", "pg-note"), make("div", "pg-two")];
  said.setAttribute("role", "status");
  root.replaceChildren(controls.root, pick, said, columns);
  let untouched = { of: "", written: null };

  const write = oneAtATime(async () => {
    const plain = { key: focus.key, temperature: wish.temperature, seed: wish.seed, length: wish.length };
    const place = { layer: focus.layer, head: focus.head };
    said.textContent = "Writing …";
    root.classList.add("pg-stale");
    const of = JSON.stringify(plain);
    if (untouched.of !== of)
      untouched = { of, written: await ask(server.write_edited({ ...plain, ...place, scale: 1, token: null })) };
    const token = wish.gaze === "token" ? wish.token : null;
    const asked = { ...plain, ...place, scale: wish.scale, token };
    const edited = untouched.written.error ? untouched.written : await ask(server.write_edited(asked));
    if (untouched.written.error) untouched.of = "";
    root.classList.remove("pg-stale");
    if (edited.error) {
      columns.replaceChildren();
      return said.replaceChildren(make("span", "pg-error", edited.error));
    }
    said.textContent = summaryOf(untouched.written, edited);
    const tokens = focus.grid.tokens.slice(-TAIL);
    columns.replaceChildren(
      writtenColumn("Untouched", tokens, untouched.written, edited),
      writtenColumn(editName(wish, focus.grid.tokens), tokens, edited, untouched.written),
    );
    root.dataset.written = String(Number(root.dataset.written ?? 0) + 1);
  });
  const writeWhenRested = debounce(write, RESTED);

  const show = () => {
    controls.show();
    const fixed = wish.gaze === "token";
    pick.replaceChildren(...(fixed ? tokenPicker(focus.grid.tokens, wish.token, (token) => change({ token })) : []));
    writeWhenRested();
  };

  let text = "";
  tips(columns, ".pg-written-token", (node) => factsOf.get(node) ?? []);
  onFocus(root, () => {
    if (text !== focusedText()) wish.token = focus.grid.tokens.length - 1;
    if (focus.query !== null) wish.token = focus.query;
    text = focusedText();
    show();
  });
}

// The slider and what goes with it.
function controlsOf(wish, change) {
  const root = make("div", "pg-tools");
  const [frame, slider, name, value] = [
    make("label", "pg-choice pg-edit-scale"),
    make("input"),
    make("span"),
    make("output"),
  ];
  Object.assign(slider, { type: "range", min: 0, max: 2, step: 0.05, value: wish.scale, id: "edit-scale" });
  slider.oninput = () => change({ scale: Number(slider.value) });
  frame.append(name, slider, value);
  const length = choice("Write", LENGTHS, (n) => change({ length: Number(n) }));
  length.select.value = String(wish.length);
  const seed = button("Another seed", () => change({ seed: wish.seed + 1 }));
  root.append(
    frame,
    choice("It looks", GAZES, (gaze) => change({ gaze })),
    length,
    choice("Draw", DRAWS, (temperature) => change({ temperature: Number(temperature) })),
    seed,
    about(ABOUT),
  );
  const show = () => {
    name.textContent = `Output of ${focusedName()}`;
    value.textContent = `× ${wish.scale.toFixed(2)}`;
    seed.disabled = !wish.temperature;
  };
  return { root, show };
}

function tokenPicker(tokens, chosen, choose) {
  const row = tokenRow(tokens, choose);
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", "the only token that the head looks at");
  row.buttons[Math.min(chosen, tokens.length - 1)].setAttribute("aria-pressed", "true");
  return [make("p", "pg-note", "Click the only token that the head looks at."), row];
}

function editName({ scale, gaze, token }, tokens) {
  const only = gaze === "token" ? `, only at “${visibleSpaces(tokens[token])}”` : "";
  return `Layer ${focus.layer + 1}, head ${focus.head + 1} × ${scale.toFixed(2)}${only}`;
}

/** What each written token says when it is pointed at. @type {WeakMap<HTMLElement, [string, string][]>} */
const factsOf = new WeakMap();

function writtenColumn(title, tail, written, other) {
  const [side, text] = [make("div"), make("div", "pg-written")];
  text.append(make("span", "pg-written-before", tail.join("")));
  written.tokens.forEach(([token, probability], i) => {
    const different = differs(written.tokens, other.tokens, i);
    const node = make(different ? "mark" : "span", "pg-written-token", token);
    factsOf.set(node, [
      [visibleSpaces(token), percent(probability)],
      ["there in the other text", visibleSpaces(other.tokens[i]?.[0] ?? "nothing")],
    ]);
    text.append(node);
  });
  if (written.ended) text.append(make("span", "pg-written-before", " ⏹ end"));
  side.append(make("h3", "", title), text);
  return side;
}

const summaryOf = (untouched, edited) =>
  [describeDifference(untouched.tokens, edited.tokens), lossChange(untouched.loss, edited.loss), edited.cut]
    .filter(Boolean)
    .join(" ");
