// What can be done with one checkpoint: use, measure, rename, throw away, and see what differs from another.

import { button, choice, make, table } from "../../../assets/dom.js";

/**
 * What the parts of the tab may do to the whole. `act` does something on the server, and then `then(answer)`; where
 * that fails, its sentence is shown. `moved` tells the header's picker, and is `shownAs`: what was done is said as soon
 * as the page shows it.
 * @typedef {object} Shelf
 * @property {import("../../../assets/server.js").View["server"]} server
 * @property {(call: Promise<any>, then: (answer: any) => unknown) => Promise<void>} act
 * @property {(text: string) => void} say
 * @property {(name: string) => void} open
 * @property {(name: string) => void} use it becomes the model of every tab
 * @property {(news: {use?: string, instead?: string}, name: string, text: string) => void} moved
 * @property {(text: string) => Promise<void>} shownAs
 * @property {(status: any) => void} follow a task that was begun
 */

function askForName(row, name, shelf) {
  const field = Object.assign(make("input", "pg-vote-name"), { value: name, maxLength: 64 });
  field.setAttribute("aria-label", "New name");
  const done = () =>
    shelf.act(shelf.server.rename_model({ name, new: field.value }), ({ name: renamed }) =>
      shelf.moved({ use: renamed, instead: name }, renamed, `${name} is called ${renamed} now.`),
    );
  const cancel = () => shelf.open(name);
  field.onkeydown = (event) => {
    if (event.key === "Enter") done();
    if (event.key === "Escape") cancel();
  };
  row.replaceChildren(field, button("Rename", done, "pg-button pg-primary"), button("Cancel", cancel));
  field.select();
}

/**
 * @param {{name: string, kind: string, read_only: string}} model
 * @param {{writes: string[], measured: string[]}} kinds that can write, and that can be measured
 * @param {Shelf} shelf
 */
export function actionRow({ name, kind, read_only }, { writes, measured }, shelf) {
  const row = make("div", "pg-tools");
  const add = (text, act, key, title = "") => {
    const node = button(text, act);
    Object.assign(node, { title });
    node.dataset.key = key;
    row.append(node);
  };
  const measure = (anew) => () => shelf.act(shelf.server.measure_model({ name, anew }), shelf.follow);
  const throwAway = () =>
    shelf.act(shelf.server.throw_away_model({ name }), () =>
      shelf.moved({}, "", `${name} lies in the trash; it can be brought back below.`),
    );
  if (writes.includes(kind)) add("Use in every tab", () => shelf.use(name), "use");
  if (read_only) {
    row.append(make("span", "pg-note", `read-only: it lies in ${read_only}`));
    return row;
  }
  if (measured.includes(kind)) {
    add("Measure", measure(false), "measure", "What its report card lacks");
    add("Measure anew", measure(true), "anew", "All of it");
  }
  add("Rename", () => askForName(row, name, shelf), "rename");
  add("Throw away", throwAway, "throw", "Into the trash, from which it can be brought back");
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
export function differences(model, cards, shelf) {
  const part = make("div");
  const others = comparable(model, cards);
  if (!others.length) return part;
  const place = make("div", "pg-scroll");
  const show = (other) => {
    if (!other) return place.replaceChildren();
    shelf.act(shelf.server.shelf_differences({ name: model.name, other }), ({ rows }) =>
      place.replaceChildren(table(["what", model.name, other], rows, "pg-differences")),
    );
  };
  const names = others.map(({ name }) => /** @type {[string, string]} */ ([name, name]));
  part.append(choice("What differs from", [["", "choose one"], ...names], show), place);
  return part;
}
