// What the views of several tabs tell each other of votes: who votes in this window, and that votes have come or gone.

import { number } from "./dom.js";

const KEY = "pg-annotator";
const [RENAMED, CHANGED, ENOUGH] = ["pg-annotator", "pg-voted", "pg-enough-votes"]; // events of the document

/** @type {string | null} */
let current = null;

/**
 * The name is this window's, and the next window's at first. Empty as long as nobody has given one: Python knows what
 * such a person is called.
 */
export const annotatorName = () => (current ??= localStorage.getItem(KEY) ?? "");

/** @param {string} name */
export function setAnnotatorName(name) {
  current = name;
  localStorage.setItem(KEY, name);
  document.dispatchEvent(new CustomEvent(RENAMED));
}

/** @param {() => unknown} listener */
export const onAnnotatorName = (listener) => document.addEventListener(RENAMED, () => listener());

/** So many votes, in words. @param {number} count */
export const votesText = (count) => `${number(count)} ${count === 1 ? "vote" : "votes"}`;

/** Tell that votes have come or gone. */
export const announceVotes = () => document.dispatchEvent(new CustomEvent(CHANGED));

/** @param {() => unknown} listener */
export const onVotes = (listener) => document.addEventListener(CHANGED, () => listener());

/** Ask that a model learns from the votes of this window's annotator. @param {string} criterion by which they judged */
export const trainOnVotes = (criterion) => document.dispatchEvent(new CustomEvent(ENOUGH, { detail: criterion }));

/** @param {(criterion: string) => unknown} listener */
export const onTrainOnVotes = (listener) =>
  document.addEventListener(ENOUGH, (/** @type {any} */ { detail }) => listener(detail));
