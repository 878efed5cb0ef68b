// A button for what cannot be taken back.

import { button } from "./dom.js";
import { debounce } from "./server.js";

const SURE = 3000; // ms in which a second press acts

/**
 * A button that asks once more before it acts.
 * @param {string} text
 * @param {string} question
 * @param {() => unknown} act
 */
export function carefulButton(text, question, act) {
  const node = button(text, () => {
    if (node.dataset.asked) return act();
    node.dataset.asked = "yes";
    node.textContent = question;
    calmDown();
  });
  const calmDown = debounce(() => {
    delete node.dataset.asked;
    node.textContent = text;
  }, SURE);
  return node;
}
