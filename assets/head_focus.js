// The attention head that the person looks at, and the text it reads. The Attention tab's views set it and follow it.

import { isVisible } from "./dom.js";

/**
 * `key` is by which Python finds the forward pass, null without a text; `text` is all that was typed, of which that
 * pass may have read the beginning only; `grid` is what Python sent of all heads;
 * `shape` is [layers, heads of each]; `query` is the position of the token that was clicked last, if any.
 * @typedef {{layer: number, head: number, query: number | null}} Place
 * @type {{key: any, text: string, grid: any, shape: [number, number]} & Place}
 */
export const focus = { key: null, text: "", grid: null, shape: [0, 0], layer: 0, head: 0, query: null };

/**
 * How heads are shown: in which colours, named by what they do on the text or on the test, and which one is pointed at
 * for the moment, as [layer, head].
 * @typedef {"linear" | "own" | "root"} Scaling
 * @typedef {"text" | "test"} Basis
 * @type {{scaling: Scaling, basis: Basis, pointed: [number, number] | null}}
 */
export const display = { scaling: "linear", basis: "text", pointed: null };

/** @type {Set<() => void>} */
const focusListeners = new Set();
/** @type {Set<() => void>} */
const displayListeners = new Set();

/** @param {Partial<typeof focus>} changes */
export function setFocus(changes) {
  Object.assign(focus, changes);
  focusListeners.forEach((listener) => listener());
}

/** @param {Partial<typeof display>} changes */
export function setDisplay(changes) {
  Object.assign(display, changes);
  displayListeners.forEach((listener) => listener());
}

/** Call `listener` at every change, even out of sight. @param {() => void} listener */
export const onEveryFocus = (listener) => void focusListeners.add(listener);

/** The same for how heads are shown. @param {() => void} listener */
export const onDisplay = (listener) => void displayListeners.add(listener);

/** Which model reads which text, to compare with another time. */
export const focusedText = () => JSON.stringify(focus.key);

/** The head in words. */
export const focusedName = () => `layer ${focus.layer + 1}, head ${focus.head + 1}`;

/** The head to show: the one that is pointed at, else the one in focus, as [layer, head]. */
export const shownHead = () => display.pointed ?? [focus.layer, focus.head];

/**
 * Call `update` whenever the focus has changed: at once where `root` is in sight, else as soon as it is.
 * @param {HTMLElement} root
 * @param {() => unknown} update
 */
export const onFocus = (root, update) => whenInSight(root, update, [focusListeners]);

/**
 * The same whenever the focus or the way in which heads are shown has changed.
 * @param {HTMLElement} root
 * @param {() => unknown} update
 */
export const onShown = (root, update) => whenInSight(root, update, [focusListeners, displayListeners]);

function whenInSight(root, update, changes) {
  let stale = true;
  const refresh = () => {
    if (!stale || !focus.key || !isVisible(root)) return;
    stale = false;
    update();
  };
  new IntersectionObserver(refresh).observe(root);
  for (const listeners of changes)
    listeners.add(() => {
      stale = true;
      refresh();
    });
  refresh();
}
