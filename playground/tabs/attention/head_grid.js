// The grid of all heads, to filter, to sort and to walk through.

import { choice, make } from "../../../assets/dom.js";
import { focus, onEveryFocus, setFocus } from "../../../assets/head_focus.js";
import { arrangement, filtersOf, ordersOf } from "./head_facts.js";
import { arrange, headButtons, labelHeads, paintHeads } from "./head_pictures.js";

/** What `draw` draws, and `tools` change; what was chosen is kept from text to text. */
export function headGrid() {
  const root = make("div");
  const wish = { filter: "", order: "layer", basis: /** @type {"text" | "test"} */ ("text") };
  let [value, buttons, placed] = [null, [], []];

  const refine = (changes) => {
    Object.assign(wish, changes);
    const { fits, order, captions } = arrangement(value, wish);
    labelHeads(buttons, value, wish.basis);
    buttons.forEach((node, i) => {
      node.classList.toggle("pg-dim", !fits[i]);
      node.dataset.caption = captions[i];
    });
    placed = arrange(root, buttons, value, order);
    if (order && !order.length) root.replaceChildren(make("p", "pg-note", "No head has this name here."));
  };

  const draw = (next) => {
    if (value?.n_layer !== next.n_layer || value.n_head !== next.n_head)
      buttons = headButtons(next, (layer, head) => setFocus({ layer, head }));
    value = next;
    paintHeads(buttons, value.weights, value.tokens.length, value.scale);
    refine({});
  };

  const tools = () => {
    const row = make("div", "pg-tools");
    /** @type {[string, string][]} */
    const bases = [
      ["text", "this text"],
      ["test", "repeated random tokens"],
    ];
    row.append(
      choice("Heads", filtersOf(value.patterns), (filter) => refine({ filter })),
      choice("Order", ordersOf(value.patterns), (order) => refine({ order })),
      choice("Recognised on", bases, (basis) => refine({ basis })),
    );
    return row;
  };

  root.onkeydown = (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -value.n_head, ArrowDown: value.n_head }[event.key];
    const next = move && placed[placed.indexOf(event.target) + move];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  };
  onEveryFocus(() =>
    buttons.forEach((node) => node.setAttribute("aria-pressed", node.dataset.head === `${focus.layer},${focus.head}`)),
  );
  return { root, draw, tools, value: () => value, buttons: () => buttons };
}
