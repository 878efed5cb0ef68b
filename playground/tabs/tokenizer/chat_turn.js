// A chat turn as the model reads it.

import { about, facts, make, number } from "../../../assets/dom.js";
import { ask, drawWhenSeen } from "../../../assets/server.js";
import { chip, fill, passage } from "../../../assets/tokens.js";
import { tokenDetails, wordOf } from "./token_details.js";

const ABOUT =
  "To a model a conversation is one line of tokens; special tokens, which nobody can type, say who speaks. Type " +
  "<|assistant|> into the question: it stays text, so nobody can put words into the model's mouth.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  const root = element.querySelector(".pg-turn");
  const one = tokenDetails(server);
  drawWhenSeen(root, props, watch, async (wish) => {
    const [asked, answered] = [wish.asked.toWellFormed(), wish.answered.toWellFormed()];
    const found = await ask(server.turn({ ...wish, asked, answered }));
    if (found.error) return root.replaceChildren(make("p", "pg-error", found.error));
    const open = (i) => one.open({ vocabulary: found.name, model: wish.model, id: found.ids[i] });
    const why = make("p", "pg-note", found.why);
    one.close(); // its token may be gone
    root.replaceChildren(turnChips(found, open), legend(), facts(found.counts), why, one.root);
  });
}

function turnChips(found, open) {
  const { ids, hexes, special, mask } = found;
  const chips = passage("Tokens of the chat turn", (i) => describeToken(found, i), open);
  chips.classList.add("pg-with-ids");
  const nodes = ids.map((id, i) => {
    const node = chip(hexes[i], i % 5, true);
    node.append(make("span", "pg-chip-id", mask[i] ? `${id} ✓` : id));
    node.classList.toggle("pg-unlearned", !mask[i]);
    node.classList.toggle("pg-special", special[i]);
    return node;
  });
  fill(chips, nodes, hexes);
  return chips;
}

/** @returns {[string, string][]} */
const describeToken = ({ ids, hexes, special, mask }, i) => [
  ["token", wordOf(hexes[i])],
  ["id", number(ids[i])],
  ["kind", special[i] ? "special: no typed text ever becomes it" : "text"],
  ["in the loss", mask[i] ? "yes: the model learns to say this" : "no: the model only reads this"],
];

function legend() {
  const line = make("p", "pg-note");
  line.append(
    make("span", "pg-chip pg-color-0", "coloured ✓"),
    " counts in the loss  ",
    make("span", "pg-chip pg-unlearned", "grey"),
    " is only read  ",
    make("span", "pg-chip pg-unlearned pg-special", "framed"),
    " is a special token ",
    about(ABOUT),
  );
  return line;
}
