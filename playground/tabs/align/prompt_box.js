// A prompt: typed, or one of the held-out ones.

import { button, make } from "../../../assets/dom.js";
import { debounce } from "../../../assets/server.js";

/** @param {() => unknown} changed is called when there is another prompt, and its typing has rested */
export function promptBox(changed) {
  const root = make("div", "pg-prompt-box");
  const box = Object.assign(make("textarea"), { rows: 2, maxLength: 4000, oninput: debounce(changed, 300) });
  box.setAttribute("aria-label", "Prompt");
  /** @type {string[]} */
  let prompts = [];
  let at = 0;
  const put = (n) => {
    at = n % Math.max(1, prompts.length);
    box.value = prompts[at] ?? box.value;
  };
  const other = button("Another prompt", () => {
    put(at + 1);
    changed();
  });
  root.append(box, other);
  const offer = (some) => {
    prompts = some;
    if (!box.value) put(0);
  };
  return { root, read: () => box.value, offer };
}
