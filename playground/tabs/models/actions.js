// What can be done with one checkpoint: use, measure, rename, delete, and see what differs from another.

import { button, choice, make, table } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";

/**
 * What the parts of the tab may do to the whole. `act` does something on the server, and then `then(answer)`; where
 * that fails, its sentence is said by `say`, beside the button. `moved` tells the header's picker and shows `name`;
 * `tell` is called as soon as the page shows what was done.
 * @typedef {(text: string, isError?: boolean) => void} Say
 * @typedef {object} Shelf
 * @property {import("../../../assets/server.js").View["server"]} server
 * @property {(call: Promise<any>, then: (answer: any) => unknown, say: Say) => Promise<void>} act
 * @property {Say} say below the buttons of the checkpoint that is shown
 * @property {(name: string) => void} open
 * @property {(name: string) => void} use it becomes the model of every tab
 * @property {(news: {use?: string, instead?: string}, name: string, tell: () => void) => Promise<void>} moved
 * @property {(tell: () => void) => Promise<void>} refresh
 * @property {(status: any) => void} follow a task that was begun
 */

function askForName(row, name, { server, act, moved, open, say }) {
  const field = Object.assign(make("input", "pg-vote-name"), { value: name, maxLength: 64 });
  field.setAttribute("aria-label", "New name");
  const renamed = ({ name: now }) =>
    moved({ use: now, instead: name }, now, () => say(`${name} is called ${now} now.`));
  const done = () => busy(rename, "Renaming …", act(server.rename_model({ name, new: field.value }), renamed, say));
  const rename = button("Rename", done, "pg-button pg-primary");
  const cancel = () => open(name);
  field.onkeydown = (event) => {
    if (event.key === "Enter") done();
    if (event.key === "Escape") cancel();
  };
  row.replaceChildren(field, rename, button("Cancel", cancel));
  field.select();
}

/**
 * @param {{name: string, kind: string, read_only: string}} model
 * @param {{writes: string[], measured: string[]}} kinds that can write, and that can be measured
 * @param {Shelf} shelf
 */
export function actionRow({ name, kind, read_only }, { writes, measured }, shelf) {
  const { server, act, say } = shelf;
  const row = make("div", "pg-tools");
  const add = (text, act, key, title = "") => {
    const node = button(text, () => {
      say("");
      act(node);
    });
    Object.assign(node, { title });
    node.dataset.key = key;
    row.append(node);
  };
  const measure = (anew) => (node) =>
    busy(node, "Starting …", act(server.measure_model({ name, anew }), shelf.follow, say));
  const remove = (node) => {
    const gone = () => shelf.moved({}, "", () => say(`${name} is in the trash, below the list: it can be restored.`));
    busy(node, "Deleting …", act(server.throw_away_model({ name }), gone, say));
  };
  if (writes.includes(kind)) add("Use in every tab", () => shelf.use(name), "use");
  if (read_only) {
    row.append(make("span", "pg-note", `read-only: it lies in ${read_only}`));
    return row;
  }
  if (measured.includes(kind)) {
    add("Measure", measure(false), "measure", "What its report card lacks");
    add("Measure again", measure(true), "anew", "All of it");
  }
  add("Rename", () => askForName(row, name, shelf), "rename");
  add("Delete (to trash)", remove, "throw", "It can be restored from the trash");
  return row;
}

/**
 * The checkpoints with which one can be compared.
 * @param {{name: string, kind: string}} model
 * @param {{name: string, kind: string, trouble: string}[]} cards
 */
export const comparable = ({ name, kind }, cards) =>
  kind === "vocabulary" ? [] : cards.filter((one) => one.name !== name && !one.trouble && one.kind !== "vocabulary");

/**
 * A picker of another checkpoint, and below it what differs.
 * @param {{name: string, kind: string}} model
 * @param {any[]} cards
 * @param {Shelf} shelf
 */
export function differences(model, cards, { server, act }) {
  const part = make("div");
  const others = comparable(model, cards);
  if (!others.length) return part;
  const place = make("div", "pg-scroll");
  const refused = (text) => place.replaceChildren(make("p", "pg-error", text));
  const show = (other) => {
    if (!other) return place.replaceChildren();
    const draw = ({ rows }) => place.replaceChildren(table(["what", model.name, other], rows, "pg-differences"));
    act(server.shelf_differences({ name: model.name, other }), draw, refused);
  };
  const names = others.map(({ name }) => /** @type {[string, string]} */ ([name, name]));
  part.append(choice("What differs from", [["", "choose one"], ...names], show), place);
  return part;
}
