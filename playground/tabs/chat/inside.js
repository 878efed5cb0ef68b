// The X-ray of one token: what else could have stood there, where a head looked, what each layer would have said.

import { colorTable, cssOf, readableOn } from "../../../assets/colors.js";
import { button, choice, headCell, make, visibleSpaces } from "../../../assets/dom.js";
import { focus } from "../../../assets/head_focus.js";
import { latest } from "../../../assets/server.js";
import { visible } from "../../../assets/tokens.js";
import { barCells, colorOf, percent } from "./probability.js";
import { conversation, takeInstead } from "./this_conversation.js";
import { dialOf } from "./turns.js";

const PRESSED = '.pg-scene .pg-chip[aria-pressed="true"]';

const shownAs = (/** @type {string} */ hex) => visibleSpaces(visible(hex).text);

function titled(title, about, ...parts) {
  const root = make("div");
  root.append(make("h4", "", title), make("p", "pg-note", about), ...parts);
  return root;
}

function lineOf(...cells) {
  const line = make("tr");
  line.append(...cells);
  return line;
}

// What else could have stood there; `take` begins a branch with another one.
function alternatives({ alternatives: all, chosen }, take) {
  const table = make("table", "pg-table pg-next-table");
  table.append(lineOf(headCell("token"), headCell("probability", 2), headCell("")));
  for (const [id, hex, probability] of all) {
    const act = make("td");
    const instead = () => take([id, probability, hex]);
    act.append(id === chosen[0] ? "was drawn" : button("Take this one", instead, "pg-button pg-small"));
    const share = barCells(probability, all[0][2], percent(probability));
    table.append(lineOf(make("td", "pg-mono", shownAs(hex)), ...share, act));
  }
  const about = "The model's own probabilities. Taking another one begins a branch; the answer goes on from there.";
  return titled("What else could have come here", about, table);
}

function headChoice(name, count, value, change) {
  const options = Array.from({ length: count }, (_, i) => /** @type {[number, string]} */ ([i, `${name} ${i + 1}`]));
  const frame = choice(name, options, (chosen) => change({ [name]: Number(chosen) }));
  frame.select.value = value;
  frame.select.dataset.key = `inside-${name}`;
  return frame;
}

function weightedText(weights, most, colors) {
  const text = make("p", "pg-inside-text");
  for (const [hex, weight] of weights) {
    const token = make("span", "pg-inside-token", shownAs(hex));
    const color = colorOf(weight / most, colors);
    token.style.background = cssOf(color);
    token.style.color = readableOn(color);
    token.title = `weight ${weight.toFixed(3)}`;
    text.append(token);
    if (visible(hex).text.includes("\n")) text.append(make("br"));
  }
  return text;
}

// Where a head looked for it; `change` looks through another one.
function attention({ attention: weights, layer, head, shape }, colors, change) {
  const tools = make("div", "pg-tools");
  tools.append(headChoice("layer", shape[0], layer, change), headChoice("head", shape[1], head, change));
  const most = Math.max(...weights.map(([, weight]) => weight));
  const about = `The brighter, the more; the brightest has ${percent(most)} of the head's attention.`;
  return titled("Where this head looked for it", about, tools, weightedText(weights, most, colors));
}

function lens({ lens: rows }) {
  const table = make("table", "pg-table");
  table.append(lineOf(...["after", "it would have said", "with", "this token"].map((title) => headCell(title))));
  rows.forEach(([hex, probability, own], i) => {
    const [after, token] = [make("td", "", i ? `layer ${i}` : "the embeddings"), make("td", "pg-mono", shownAs(hex))];
    table.append(lineOf(after, token, make("td", "", percent(probability)), make("td", "", percent(own))));
  });
  const about = "The logit lens: the last layer's reading of the state after every layer.";
  return titled("What each layer would have said", about, table);
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-inside");
  root.setAttribute("aria-live", "polite");
  root.replaceChildren();
  const colors = colorTable(props.palette);
  const last = latest(root);
  /** @type {import("./conversation.js").Place | null} */
  let place = null;
  /** @type {{layer: number, head: number} | null} */
  let at = null;

  function look() {
    if (conversation.inspected() === place) return;
    place = conversation.inspected();
    if (!place) return root.replaceChildren();
    at ??= { layer: focus.layer, head: focus.head }; // the one in the Attention tab, until another is chosen here
    show();
  }

  async function show() {
    const { node, answer, index } = place;
    const written = answer.tokens.slice(0, index + 1).map(([id]) => id);
    const messages = conversation.tree.messages(node.parent);
    const writer = { model: answer.model, dial: dialOf(answer) };
    const request = { wish: conversation.settings(), ...writer, messages, written, ...at };
    const found = await last(server.look_inside(request));
    if (found && place) draw(found);
  }

  function draw(found) {
    const key = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
    const [, hex, probability] = found.chosen;
    const title = make("h3", "", `“${shownAs(hex)}” had a probability of ${percent(probability)}`);
    const [frame, both, right] = [make("section", "pg-details"), make("div", "pg-two"), make("div")];
    const change = (head) => {
      at = { ...at, ...head };
      show();
    };
    right.append(attention(found, colors, change), lens(found));
    both.append(
      alternatives(found, (token) => takeInstead(place, token)),
      right,
    );
    frame.append(
      button("Close", () => conversation.inspect(null), "pg-button pg-close"),
      title,
      both,
    );
    root.replaceChildren(frame);
    document.querySelector(PRESSED)?.scrollIntoView({ block: "nearest" }); // the text beside has become narrower
    if (key) /** @type {HTMLElement} */ (root.querySelector(`[data-key="${key}"]`))?.focus();
  }

  conversation.onChange(look);
}
