// The grid of all heads, to filter, to sort and to walk through.

import { choice, make } from "../../../assets/dom.js";
import { display, onDisplay, onEveryFocus, setDisplay, focus } from "../../../assets/head_focus.js";
import { arrangement, filtersOf, NAMED_ON, ordersOf } from "./head_facts.js";
import { arrange, headButtons, headTips, labelHeads, paintHeads } from "./head_pictures.js";
import { SCALINGS } from "./weight_colors.js";

const DWELL = 120; // ms that a pointer rests on a head before it is shown

/** What `draw` draws, and the `tools` change; what was chosen is kept from text to text. */
export function headGrid() {
  const [root, tools, sentence] = [make("div"), make("div", "pg-grid-tools"), make("p", "pg-note")];
  const wish = { filter: "", order: "layer" };
  let [value, buttons, placed] = [null, [], []];

  const refine = () => {
    const { fits, order, captions, none } = arrangement(value, { ...wish, basis: display.basis });
    labelHeads(buttons, value, display.basis);
    buttons.forEach((node, i) => {
      node.classList.toggle("pg-dim", !fits[i]);
      node.dataset.caption = captions[i];
    });
    placed = arrange(root, buttons, value, order);
    sentence.textContent = none;
  };

  const paint = () => paintHeads(buttons, value.weights, value.tokens.length, value.scale, display.scaling);

  /** @param {any} next @param {(place: {layer: number, head: number}) => unknown} focusOn what a click does */
  const draw = (next, focusOn) => {
    if (!tools.firstChild)
      tools.append(...toolsFor(next.patterns, (changes) => (Object.assign(wish, changes), refine())));
    if (value?.n_layer !== next.n_layer || value.n_head !== next.n_head)
      buttons = headButtons(next, (layer, head) => focusOn({ layer, head }));
    value = next;
    paint();
    refine();
  };

  let shown = { ...display };
  onDisplay(() => {
    if (value && shown.scaling !== display.scaling) paint();
    if (value && shown.basis !== display.basis) refine();
    shown = { ...display };
  });
  onEveryFocus(() =>
    buttons.forEach((node) => node.setAttribute("aria-pressed", node.dataset.head === `${focus.layer},${focus.head}`)),
  );
  const leaveMouse = pointing(root);
  headTips(root);
  root.onkeydown = (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -value.n_head, ArrowDown: value.n_head }[event.key];
    const next = move && placed[placed.indexOf(event.target) + move];
    if (!next) return;
    event.preventDefault();
    leaveMouse(); // who goes on by keyboard has let go of it, wherever it rests
    next.focus();
    next.click();
  };
  return { root, tools, sentence, draw };
}

function toolsFor(patterns, refine) {
  return [
    choice("Heads", filtersOf(patterns), (filter) => refine({ filter })),
    choice("Order", ordersOf(patterns), (order) => refine({ order })),
    choice("Named on", NAMED_ON, (basis) => setDisplay({ basis: /** @type {any} */ (basis) })),
    choice("Colours", SCALINGS, (scaling) => setDisplay({ scaling: /** @type {any} */ (scaling) })),
  ];
}

// The head that a mouse rests on is shown until it goes on, or until what this returns is called.
function pointing(root) {
  let timer = 0;
  const pointAt = (pointed) => {
    clearTimeout(timer);
    timer = setTimeout(() => String(display.pointed) !== String(pointed) && setDisplay({ pointed }), DWELL);
  };
  root.addEventListener("pointerover", (event) => {
    const node = event.pointerType === "mouse" && event.target.closest(".pg-head");
    if (node) pointAt(node.dataset.head.split(",").map(Number));
  });
  root.addEventListener("pointerleave", () => pointAt(null));
  return () => {
    clearTimeout(timer);
    if (display.pointed) setDisplay({ pointed: null });
  };
}
