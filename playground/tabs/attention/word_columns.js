// Two columns of words around the lines between them. A word is pointed at, or kept by a click.

import { button, make } from "../../../assets/dom.js";
import { setFocus } from "../../../assets/head_focus.js";

/** @typedef {import("./attention_lines.js").Word} Word */

const isSame = (a, b) => a?.side === b?.side && a?.place === b?.place;

/**
 * @param {HTMLElement} frame
 * @param {Element} lines what stands between the columns
 * @param {() => void} change tells that other lines are wanted
 */
export function wordColumns(frame, lines, change) {
  const sides = { query: column("tokens that look", "pg-line-queries"), key: column("tokens looked at") };
  frame.append(sides.query, lines, sides.key);
  /** @type {Word | null} */
  let pointed = null;
  /** @type {Word | null} */
  let kept = null;
  let names = [];

  const point = (word) => {
    if (isSame(pointed, word)) return;
    pointed = word;
    change();
  };
  const keep = (word) => {
    kept = isSame(kept, word) ? null : word;
    if (kept?.side === "query") setFocus({ query: kept.place });
    change();
  };
  frame.onpointerleave = () => point(null);
  walkable(sides);

  const fill = (tokens) => {
    [names, pointed, kept] = [tokens, null, null];
    frame.style.setProperty("--words", String(names.length));
    for (const side of /** @type {Word["side"][]} */ (Object.keys(sides)))
      sides[side].replaceChildren(...names.map((name, place) => wordButton(name, { side, place }, point, keep)));
  };

  /** Grey out the words that none of these lines touches, if a word is wanted. */
  const light = (drawn) => {
    const word = pointed ?? kept;
    for (const [side, root] of Object.entries(sides)) {
      const touched = new Set(drawn.map((line) => line[side]));
      [...root.children].forEach((node, place) => {
        node.classList.toggle("pg-faint", Boolean(word) && !touched.has(place) && !isSame(word, { side, place }));
        node.setAttribute("aria-pressed", String(isSame(kept, { side, place })));
      });
    }
  };
  return { fill, light, names: () => names, word: () => pointed ?? kept };
}

function column(label, className = "") {
  const root = make("div", `pg-line-words ${className}`.trim());
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", label);
  return root;
}

function wordButton(name, word, point, keep) {
  const node = button(name, () => keep(word), "pg-line-word");
  node.tabIndex = word.place ? -1 : 0; // a column is one stop, in which the arrow keys move
  node.onpointerenter = node.onfocus = () => point(word);
  node.onblur = () => point(null);
  return node;
}

/** Arrow keys go from word to word. @param {{query: HTMLElement, key: HTMLElement}} sides */
function walkable(sides) {
  for (const [side, root] of Object.entries(sides))
    root.onkeydown = (event) => {
      const place = [...root.children].indexOf(/** @type {any} */ (event.target));
      /** @type {any} */
      const next = {
        ArrowUp: root.children[place - 1],
        ArrowDown: root.children[place + 1],
        ArrowLeft: side === "key" ? sides.query.children[place] : null,
        ArrowRight: side === "query" ? sides.key.children[place] : null,
      }[event.key];
      if (!next) return;
      event.preventDefault();
      for (const node of next.parentElement.children) node.tabIndex = node === next ? 0 : -1;
      next.focus();
    };
}
