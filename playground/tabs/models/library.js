// What stands beside the details of a checkpoint: the list of all, found and sorted, or their family tree.

import { button, choice, make } from "../../../assets/dom.js";
import { modelRow } from "./card.js";
import { listed, SORTS } from "./order.js";
import { familyTree } from "./tree.js";

const ALL = /** @type {[string, string]} */ (["", "All kinds"]);

function finder(find) {
  const field = Object.assign(make("input", "pg-vote-name"), { type: "search", placeholder: "Find a name" });
  field.setAttribute("aria-label", "Find a name");
  field.oninput = find;
  return field;
}

// The kinds that there are; the one that is chosen stays.
function offerKinds(select, cards) {
  const kinds = [...new Set(cards.map(({ kind }) => kind))].sort();
  const options = [ALL, ...kinds.map((kind) => /** @type {[string, string]} */ ([kind, kind]))];
  const chosen = kinds.includes(select.value) ? select.value : "";
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  select.value = chosen;
}

/**
 * @param {(name: string) => unknown} choose
 * @returns {{root: HTMLElement, tools: HTMLElement, draw: (cards: any[], tree: any, chosen: string) => void}}
 */
export function library(choose) {
  const [tools, root, rows, tree] = [
    make("div", "pg-tools pg-library-tools"),
    make("div", "pg-library-list"),
    make("div", "pg-model-cards"),
    make("div"),
  ];
  let last = /** @type {[any[], any, string]} */ ([[], { nodes: [], edges: [] }, ""]);
  const again = () => draw(...last);
  const text = finder(again);
  const kind = choice("Kind", [ALL], again);
  const sort = choice("Sort by", SORTS, again);
  const asTree = button("Family tree", () => {
    asTree.setAttribute("aria-pressed", String(asTree.getAttribute("aria-pressed") !== "true"));
    again();
  });
  asTree.setAttribute("aria-pressed", "false");
  tools.append(text, kind, sort, asTree);
  root.append(rows, tree);

  function draw(cards, family, chosen) {
    last = [cards, family, chosen];
    offerKinds(kind.select, cards);
    const isTree = asTree.getAttribute("aria-pressed") === "true";
    for (const field of [text, kind.select, sort.select]) field.disabled = isTree;
    root.dataset.view = isTree ? "tree" : "list";
    [rows.hidden, tree.hidden] = [isTree, !isTree];
    if (isTree) return tree.replaceChildren(familyTree(family, chosen, choose));
    const wanted = { text: text.value, kind: kind.select.value, sort: sort.select.value };
    const found = listed(cards, family.edges, wanted);
    const none = found.length ? [] : [make("p", "pg-note", "No model fits: search for less.")];
    rows.replaceChildren(
      ...found.map(([one, depth]) => modelRow(one, depth, one.name === chosen, () => choose(one.name))),
      ...none,
    );
  }
  return { root, tools, draw };
}
