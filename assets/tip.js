// The tip of the page: what is pointed at, or has the keyboard's focus, is explained beside it.

import { make } from "./dom.js";

/** @type {HTMLElement | null} */
let tip = null; // one for the whole page

const hide = () => {
  if (tip) tip.hidden = true;
};

function makeTip() {
  const node = make("div", "pg-tip");
  node.setAttribute("role", "tooltip");
  addEventListener("scroll", hide, { capture: true, passive: true });
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
  return node;
}

/** @param {Element} node @param {[string, string | number][]} facts */
function show(node, facts) {
  tip ??= makeTip();
  const list = make("dl");
  list.append(...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
  tip.replaceChildren(list);
  (document.querySelector("main") ?? document.body).append(tip);
  tip.hidden = false;
  const [at, size] = [node.getBoundingClientRect(), tip.getBoundingClientRect()];
  tip.style.left = `${Math.max(4, Math.min(at.left, innerWidth - size.width - 4))}px`;
  tip.style.top = `${at.bottom + 6 + size.height < innerHeight ? at.bottom + 6 : at.top - size.height - 6}px`;
}

/**
 * Give the parts of `root` that a selector finds a tip each, now and whenever others are there.
 * @param {HTMLElement} root
 * @param {string} selector
 * @param {(node: any) => [string, string | number][]} describe the facts that are shown, none for no tip
 */
export function tips(root, selector, describe) {
  const over = (event) => {
    const node = event.target.closest(selector);
    const facts = node ? describe(node) : [];
    if (facts.length) show(node, facts);
  };
  root.addEventListener("pointerover", over);
  root.addEventListener("focusin", over);
  root.addEventListener("pointerout", hide);
  root.addEventListener("focusout", hide);
}
