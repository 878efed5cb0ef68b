// The keys that vote, while the panel is in sight and nobody types.

import { isVisible } from "../../../assets/dom.js";

const FIELDS = "input:not([type=checkbox]), textarea, select, [contenteditable], [role=listbox], [role=slider], dialog";

/**
 * What may be thought of a pair; where it is `graded`, one answer is better, and it may be said how much.
 * @typedef {{choice: string, text: string, keys: string[], hint: string, graded: boolean}} Choice
 * @typedef {"repeat" | "ctrlKey" | "altKey" | "metaKey" | "isComposing"} Held
 */

/**
 * What a key that is pressed does: a choice, "undo", or nothing.
 * @param {Pick<KeyboardEvent, "key" | "code" | "shiftKey" | Held>} event
 * @param {Choice[]} choices
 */
export function actOf(event, choices) {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return "";
  const pressed = choices.find(
    ({ keys, graded }) => keys.includes(event.key) || (graded && keys.includes(shifted(event))),
  );
  return pressed?.choice ?? (event.key.toLowerCase() === "u" ? "undo" : "");
}

// The digit on a key that is pressed with Shift, which has another name then; some keyboards need Shift for digits.
const shifted = ({ shiftKey, code, key }) =>
  shiftKey && !/^\d$/.test(key) ? (/^Digit(\d)$/.exec(code)?.[1] ?? key) : "";

/**
 * Does a key that votes say that the answer is much better?
 * @param {Pick<KeyboardEvent, "key" | "code" | "shiftKey">} event
 */
export const isMuch = (event) => shifted(event) !== "";

// Digits vote also where the criterion has just been chosen.
const isTyping = ({ target, key }) =>
  target?.closest?.(FIELDS) && !(target.matches(".pg-vote-how select") && /^\d$/.test(key));
const leadsThroughTour = (event) => event.key.startsWith("Arrow") && event.target.closest?.("[role=dialog]");

function isInSight(frame) {
  const { top, bottom } = frame.getBoundingClientRect();
  return isVisible(frame) && bottom > 0 && top < innerHeight;
}

/**
 * Do `act` for every key that means something: before anything else of the page hears of it.
 * @param {HTMLElement} frame what has to be in sight
 * @param {Choice[]} choices
 * @param {(what: string, isMuch: boolean) => void} act
 */
export function listenForKeys(frame, choices, act) {
  const onkeydown = (/** @type {any} */ event) => {
    const what = actOf(event, choices);
    if (!what || isTyping(event) || !isInSight(frame) || leadsThroughTour(event)) return;
    event.preventDefault();
    event.stopPropagation();
    act(what, isMuch(event));
  };
  addEventListener("keydown", onkeydown, true);
}
