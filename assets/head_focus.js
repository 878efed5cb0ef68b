// The attention head that the person looks at, and the text it reads. The Attention tab's views set it and follow it.

import { isVisible } from "./dom.js";

/**
 * `key` is by which Python finds the forward pass, null before the first; `shape` is [layers, heads of each]; `query`
 * is the position of the token that was clicked last, if any.
 * @type {{key: any, shape: [number, number], layer: number, head: number, query: number | null}}
 */
export const focus = { key: null, shape: [0, 0], layer: 0, head: 0, query: null };

/** @type {Set<() => void>} */
const listeners = new Set();

/** @param {Partial<typeof focus>} changes */
export function setFocus(changes) {
  Object.assign(focus, changes);
  listeners.forEach((listener) => listener());
}

/** Call `listener` at every change, even out of sight. @param {() => void} listener */
export const onEveryFocus = (listener) => void listeners.add(listener);

/** Which model reads which text, to compare with another time. */
export const focusedText = () => JSON.stringify(focus.key);

/** The head in words. */
export const focusedName = () => `layer ${focus.layer + 1}, head ${focus.head + 1}`;

/**
 * Call `update` whenever the focus has changed: at once where `root` is in sight, else as soon as it is.
 * @param {HTMLElement} root
 * @param {() => unknown} update
 */
export function onFocus(root, update) {
  let stale = true;
  const refresh = () => {
    if (!stale || !focus.key || !isVisible(root)) return;
    stale = false;
    update();
  };
  new IntersectionObserver(refresh).observe(root);
  onEveryFocus(() => {
    stale = true;
    refresh();
  });
  refresh();
}
