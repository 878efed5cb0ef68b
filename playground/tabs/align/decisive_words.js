// The most decisive votes in words. No drawing.

import { number } from "../../../assets/dom.js";

/**
 * See core/decisive_votes.py.
 * @typedef {{number: number, score: number, prompt: string, chosen: string, rejected: string}} Influence
 * @typedef {{name: string, left_out: number[], logprob: number, answer: string}} Measured
 * @typedef {{prompt: string, text: string, influences: Influence[], measured: Measured[], decisive: number[]}} Found
 */

const TITLES = {
  "all votes": "With all votes",
  "without the decisive": "Without the most decisive",
  "without others": "Without others at random",
};

/** A number with its sign, to three digits. @param {number} score */
export const signed = (score) =>
  `${score < 0 ? "\u2212" : "+"}${Math.abs(score).toLocaleString("en", { maximumSignificantDigits: 3 })}`;

/** How many times as likely: "0.031". @param {number} nats by which the log-probability has changed */
export const timesText = (nats) => {
  const times = Math.exp(nats);
  return times < 1e-6 ? "less than a millionth" : times > 1e6 ? "more than a million" : signed(times).slice(1);
};

/**
 * The models of a proof beside each other: how each is called, what it says, and what has changed.
 * @param {Found} found
 * @returns {{title: string, votes: string, answer: string, changed: string}[]}
 */
export function proofCards({ measured }) {
  const whole = measured.find(({ name }) => name === "all votes");
  return measured
    .filter(({ name }) => name in TITLES)
    .map(({ name, left_out: numbers, logprob, answer }) => ({
      title: TITLES[name],
      votes: numbers.length ? `votes ${numbers.map(number).join(", ")}` : "",
      answer,
      changed: changeText(logprob, answer, whole, name),
    }));
}

function changeText(logprob, answer, whole, name) {
  const said = `log-probability ${signed(logprob)} nats`;
  if (name === whole.name) return said;
  const same = answer === whole.answer ? "it says the same" : "it says something else";
  return `${said}, ${timesText(logprob - whole.logprob)} times as likely; ${same}`;
}

/** What a whole proof comes to; "" before that. @param {Found} found */
export function proofText({ measured }) {
  const of = (wanted) => measured.find(({ name }) => name === wanted);
  const [parent, whole, without, others] = ["parent", ...Object.keys(TITLES)].map(of);
  if (!parent || !whole || !without || !others) return "";
  const count = without.left_out.length;
  return (
    `To say this is ${timesText(without.logprob - whole.logprob)} times as likely without the ${count} most decisive ` +
    `votes, and ${timesText(others.logprob - whole.logprob)} times without ${others.left_out.length} others, drawn ` +
    `at random once. The model before any vote: ${timesText(parent.logprob - whole.logprob)} times.`
  );
}
