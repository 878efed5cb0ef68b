// The keys that vote, while the panel is in sight and nobody types.

import { isVisible } from "../../../assets/dom.js";

const FIELDS = "input, textarea, select, [contenteditable], [role=listbox], [role=slider], dialog";

/** @typedef {{choice: string, text: string, keys: string[], hint: string}} Choice what may be thought of a pair */

/**
 * What a key that is pressed does: a choice, "undo", or nothing.
 * @param {Pick<KeyboardEvent, "key" | "repeat" | "ctrlKey" | "altKey" | "metaKey" | "isComposing">} event
 * @param {Choice[]} choices
 */
export function actOf(event, choices) {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return "";
  const pressed = choices.find(({ keys }) => keys.includes(event.key));
  return pressed?.choice ?? (event.key.toLowerCase() === "u" ? "undo" : "");
}

const isTyping = (node) => node?.closest?.(FIELDS);
const leadsThroughTour = (event) => event.key.startsWith("Arrow") && event.target.closest?.("[role=dialog]");

function isInSight(frame) {
  const { top, bottom } = frame.getBoundingClientRect();
  return isVisible(frame) && bottom > 0 && top < innerHeight;
}

/**
 * Do `act` for every key that means something: before anything else of the page hears of it.
 * @param {HTMLElement} frame what has to be in sight
 * @param {Choice[]} choices
 * @param {(what: string) => void} act
 */
export function listenForKeys(frame, choices, act) {
  const onkeydown = (/** @type {any} */ event) => {
    const what = actOf(event, choices);
    if (!what || isTyping(event.target) || !isInSight(frame) || leadsThroughTour(event)) return;
    event.preventDefault();
    event.stopPropagation();
    act(what);
  };
  addEventListener("keydown", onkeydown, true);
}
