// What a person has said.

import { button, make } from "../../../assets/dom.js";
import { branchTools, copyTool, tool } from "./turn_tools.js";

/** @typedef {import("./turns.js").Turn} Turn */

/**
 * A text that is being edited, and what can be done with it then.
 * @param {string} text
 * @param {string} label of the box
 * @param {string} act what is done with the edited text
 * @param {(text: string) => unknown} send
 * @param {() => unknown} cancel
 */
export function editBox(text, label, act, send, cancel) {
  const [box, row] = [make("textarea", "pg-said-edit"), make("div", "pg-said-tools")];
  Object.assign(box, { value: text, rows: Math.min(10, text.split("\n").length + 1) });
  box.setAttribute("aria-label", label);
  row.append(button(act, () => send(box.value), "pg-button pg-primary pg-small"));
  row.append(button("Cancel", cancel, "pg-button pg-small"));
  return { box, row };
}

/**
 * @param {Turn} turn
 * @param {import("./turns.js").Turns} tree
 * @param {import("./composer.js").Composer} composer
 * @param {() => void} draw everything
 * @returns {HTMLElement}
 */
export function personTurn(turn, tree, composer, draw) {
  const [frame, tools] = [make("article", "pg-turn pg-said-person"), make("div", "pg-said-tools")];
  const edit = () => {
    const send = (text) => composer.edit(turn, text);
    const { box, row } = editBox(turn.text, "Your line, to be edited", "Send as a new branch", send, draw);
    frame.replaceChildren(box, row);
    box.focus();
  };
  tools.append(
    ...branchTools(turn, tree.siblings(turn), composer.show),
    tool(`${turn.id}-edit`, "Edit", edit),
    copyTool(`${turn.id}-copy`, () => turn.text),
    ...(tree.isUnanswered(turn) ? [tool(`${turn.id}-answer`, "Answer this", () => composer.answerThis(turn))] : []),
  );
  frame.append(make("div", "pg-said-text", turn.text.replace(/\n+$/, "")), tools);
  return frame;
}
