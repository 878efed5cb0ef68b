// All heads at once, beside the text: what it is followed by, and the grid from which one head is chosen.

import { about, make, number, visibleSpaces } from "../../../assets/dom.js";
import { focus, setFocus } from "../../../assets/head_focus.js";
import { ask, drawWhenSeen } from "../../../assets/server.js";
import { markOf } from "./head_facts.js";
import { headGrid } from "./head_grid.js";
import { setMark } from "./head_pictures.js";
import { percent } from "./numbers.js";

const ABOUT =
  "In each picture a row is a token, and its bright cells are the earlier tokens it looks at. Point at a head " +
  "to see it large, click it to keep it, or walk with the arrow keys. A letter names what a head does, as " +
  "recognised on this text or on random tokens that repeat. Own maximum: the brightest colour is the head's " +
  "largest weight in the second half of the text, as the first tokens have few others to look at.";

/** @param {Pick<import("../../../assets/server.js").View, "element" | "props" | "watch" | "server">} view */
export function mount({ element, props, watch, server }) {
  const root = element.querySelector(".pg-attention");
  const grid = headGrid();
  const [next, marks, note] = [make("p", "pg-comes"), make("p", "pg-note pg-legend"), make("p", "pg-note")];
  let chosenFor = ""; // the model of which a head was chosen: it stays from text to text
  const parts = [next, grid.tools, grid.sentence, grid.root, marks, note];
  const focusOn = (changes) => {
    chosenFor = focus.key.model;
    setFocus(changes);
  };

  drawWhenSeen(root, props, watch, async ({ text, model }) => {
    const value = await ask(server.read({ text: text.toWellFormed(), model }));
    const problem = value.empty ?? value.error;
    root.toggleAttribute("data-empty", Boolean(problem));
    if (problem) return root.replaceChildren(make("p", value.error ? "pg-error" : "pg-note", problem));
    grid.draw(value, focusOn);
    next.replaceChildren(...nextParts(value));
    if (!marks.firstChild) marks.append(...legend(value.patterns), about(ABOUT));
    note.textContent = noteOf(value);
    if (next.parentElement !== root) root.replaceChildren(...parts);
    root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
    const [layer, head] = chosenFor === value.key.model ? [focus.layer, focus.head] : value.sharpest;
    const shape = /** @type {[number, number]} */ ([value.n_layer, value.n_head]);
    setFocus({ key: value.key, text, grid: value, shape, layer, head, query: null });
  });
}

/** What would come after the text, likeliest first. @param {{next: [string, number][], tokens: string[]}} value */
function nextParts({ next, tokens }) {
  const after = make("code", "", visibleSpaces(tokens.at(-1)));
  const guesses = next.map(([token, probability]) => {
    const guess = make("span", "pg-guess");
    guess.append(make("code", "", visibleSpaces(token)), ` ${percent(probability)}`);
    return guess;
  });
  return ["After ", after, " comes:", ...guesses];
}

/** @param {any} value @returns {string} */
export function noteOf({ n_layer, n_head, tokens, loss, seconds, cut }) {
  const read = loss === null ? "" : ` The model reads this text with a loss of ${loss.toFixed(2)} nats a token.`;
  const milliseconds = Math.round(seconds * 1000);
  const counted = `${number(tokens.length)} ${tokens.length === 1 ? "token" : "tokens"}`;
  return `${cut} ${n_layer * n_head} heads, ${counted}; forward pass ${milliseconds} ms.${read}`.trim();
}

function legend(patterns) {
  return patterns.map((pattern) => {
    const [entry, tag] = [make("span", ""), make("span", "pg-tag")];
    setMark(tag, markOf(pattern));
    entry.append(tag, ` ${pattern.title}`);
    return entry;
  });
}
