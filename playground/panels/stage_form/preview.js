// Before a training: what the model will see, token by token, and which of it counts in the loss.

import { facts, make, number, visibleSpaces } from "../../../assets/dom.js";
import { chip, fill, passage, visible } from "../../../assets/tokens.js";

const MOST_PROBLEMS = 20; // that are listed

function exampleSection({ ids, hexes, special, mask, cut, title, read, text }, i) {
  const section = make("section", "pg-seen");
  if (title) section.append(make("h4", "", title));
  const learned = read ? `the ${read} is read here` : "yes: the model learns to say this";
  const chips = passage(
    `Example ${i + 1}`,
    (at) => [
      ["token", visibleSpaces(visible(hexes[at]).text)],
      ["id", number(ids[at])],
      ["in the loss", mask[at] ? learned : "no: the model only reads this"],
    ],
    () => {},
  );
  const nodes = ids.map((_, at) => {
    const node = chip(hexes[at], at % 5, true);
    node.classList.toggle("pg-unlearned", !mask[at]);
    node.classList.toggle("pg-special", special[at]);
    return node;
  });
  fill(chips, nodes, hexes);
  if (text) section.append(make("blockquote", "pg-quoted", text));
  section.append(chips);
  if (cut > 0) section.append(make("p", "pg-note", `… and ${number(cut)} tokens more`));
  return section;
}

function legend() {
  const node = make("p", "pg-note");
  const [colored, grey] = [
    make("span", "pg-chip pg-color-0", "coloured"),
    make("span", "pg-chip pg-unlearned", "grey"),
  ];
  node.append(colored, " counts in the loss  ", grey, " is only read");
  return node;
}

function problemList(problems) {
  const list = make("ul", "pg-problems");
  list.append(...problems.slice(0, MOST_PROBLEMS).map((problem) => make("li", "", problem)));
  return [make("p", "pg-error", "What was left out, guessed or changed:"), list];
}

/**
 * Show what a stage will see of its data, or what is wrong with that.
 * @param {HTMLElement} root
 * @param {any} answer see playground/panels/stage_form/cost.py
 */
export function showPreview(root, answer) {
  if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
  root.replaceChildren(facts(answer.facts), make("p", "pg-note", answer.note));
  if (answer.problems.length) root.append(...problemList(answer.problems));
  if (answer.text) root.append(make("blockquote", "pg-quoted", answer.text));
  if (answer.examples.length) root.append(legend(), ...answer.examples.map(exampleSection));
}
