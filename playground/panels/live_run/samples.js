// What a run writes: to its own prompt after each evaluation, and to held-out prompts, with those that changed marked.

import { copiedMarks } from "../../../assets/copied.js";
import { make, number } from "../../../assets/dom.js";
import { lossesAt } from "./log.js";

/**
 * The answers to held-out prompts at a step, as core/evaluation/held_out_answers.py makes them, and how many words they
 * have on average; step 0 is the parent.
 * @typedef {{step: number, words: number, answers: {prompt: string, text: string}[]}} Answers
 * @typedef {import("./log.js").Log} Log
 */

const SHOWN = 6; // held-out prompts

/**
 * The latest answers beside the first ones, those before the training: null as long as there are not both.
 * @param {Answers[]} lines
 * @returns {{step: number, pairs: {prompt: string, before: string, now: string, changed: boolean}[]} | null}
 */
export function changesIn(lines) {
  const [first, last] = [lines[0], lines.at(-1)];
  if (!first || first.step !== 0 || first === last) return null;
  const before = new Map(first.answers.map(({ prompt, text }) => [prompt, text]));
  const both = last.answers.filter(({ prompt }) => before.has(prompt));
  const pairs = both.map(({ prompt, text }) => {
    const old = before.get(prompt) ?? "";
    return { prompt, before: old, now: text, changed: text.trim() !== old.trim() };
  });
  return { step: last.step, pairs };
}

/** @param {NonNullable<ReturnType<typeof changesIn>>} changes */
export function changesText({ step, pairs }) {
  const changed = pairs.filter((pair) => pair.changed).length;
  const some = pairs.length > SHOWN ? ` ${SHOWN} of them:` : "";
  return `After step ${number(step)}, ${changed} of ${pairs.length} answers to held-out prompts have changed.${some}`;
}

const quote = (text, className) => make("blockquote", className, text || "(nothing)");

function answerCard({ prompt, before, now, changed }, mark) {
  const card = make("article", "pg-told");
  const head = make("p", "pg-told-prompt", prompt);
  head.append(" ", make("span", changed ? "pg-changed" : "pg-unchanged", changed ? "changed" : "as before"));
  const said = quote(now, "pg-now");
  if (now) mark(said);
  card.append(head, said);
  if (changed) card.append(make("p", "pg-note", "before:"), quote(before, "pg-before"));
  return card;
}

const lossText = (log, step) =>
  lossesAt(log, step)
    .map(([name, loss]) => `, ${name} loss ${loss.toFixed(2)}`)
    .join("");

function sampleFigure({ step, prompt, text }, log, mark) {
  const sample = make("figure", "pg-sample");
  const [words, written] = [make("blockquote"), make("span", "", text)];
  words.append(make("span", "pg-prompt", prompt), written);
  mark(written);
  sample.append(make("figcaption", "", `after step ${number(step)}${lossText(log, step)}`), words);
  return sample;
}

/**
 * The section: held-out answers, then the story of its own prompt, the newest first.
 * @param {() => string} current the run that is looked at
 */
export function writings(current) {
  const [root, scroll] = [make("section", "pg-writings"), make("div", "pg-samples")];
  const [heldOut, story] = [make("div", "pg-held-out"), make("div")];
  Object.assign(scroll, { tabIndex: 0 }); // to be scrolled by keyboard
  scroll.append(heldOut, story);
  const none = make("p", "pg-note", "What it writes is shown here after each evaluation.");
  const copied = copiedMarks(root);
  const mark = (node) => copied.mark(node, { model: current() });
  const [tools, title] = [make("div", "pg-tools"), make("h3", "", "What it writes")];
  tools.append(...copied.parts);
  root.append(title, none, tools, scroll);
  const look = () => {
    none.hidden = story.childElementCount + heldOut.childElementCount > 0;
    tools.hidden = !none.hidden;
  };

  /** @param {{step: number, prompt: string, text: string}[]} samples @param {Log} log */
  const add = (samples, log) => {
    for (const sample of samples) story.prepend(sampleFigure(sample, log, mark));
    look();
  };
  /** @param {Answers[]} lines all that there are */
  const compare = (lines) => {
    const found = changesIn(lines);
    const cards = found ? found.pairs.slice(0, SHOWN).map((pair) => answerCard(pair, mark)) : [];
    heldOut.replaceChildren(...(found ? [make("p", "pg-note", changesText(found)), ...cards] : []));
    look();
  };
  const clear = () => {
    story.replaceChildren();
    heldOut.replaceChildren();
    look();
  };
  return { root, add, compare, clear };
}
