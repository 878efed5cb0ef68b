// A part of the page that is folded away until it is wanted.

import { button, make } from "./dom.js";

/**
 * A heading that opens and closes what is below it; `opened` is called each time it opens.
 * @param {string} title
 * @param {() => unknown} [opened]
 * @returns {{root: HTMLElement, body: HTMLElement, isOpen: () => boolean, toggle: (open?: boolean) => void}}
 */
export function fold(title, opened = () => {}) {
  const [root, body] = [make("section", "pg-fold"), make("div", "pg-fold-body")];
  const toggle = (open = body.hidden) => {
    body.hidden = !open;
    head.setAttribute("aria-expanded", String(open));
    if (open) opened();
  };
  const head = button(title, () => toggle(), "pg-fold-head");
  body.hidden = true;
  head.setAttribute("aria-expanded", "false");
  root.append(head, body);
  return { root, body, isOpen: () => !body.hidden, toggle };
}

/** What a button copies, with the button: its text is made when it is pressed. @param {() => string} text */
export function copyButton(text) {
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(text());
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  return copy;
}
