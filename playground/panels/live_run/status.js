// A run in words: how far it is.

import { duration, make, number } from "../../../assets/dom.js";
import { bestEvaluation } from "./log.js";
import { stateWord } from "./steer.js";

/** @typedef {import("./log.js").Log} Log */

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

function bestText(log) {
  const best = bestEvaluation(log);
  if (!best) return null;
  const inBits = best.bits === null ? "" : ` (${best.bits.toFixed(3)} bits per byte)`;
  return `best validation loss ${best.loss.toFixed(3)}${inBits} at step ${number(best.step)}`;
}

/**
 * How far a run is: its steps, the time that is left, the best evaluation, and what it says itself.
 * @param {{status: any, left: number | null}} news
 * @param {Log} log
 */
export function progressText({ status, left }, log) {
  const { state, message, step, max_steps } = status;
  const facts = [];
  if (max_steps) facts.push(`step ${number(step)} of ${number(max_steps)}`);
  if (left !== null && step < max_steps) facts.push(`about ${duration(left)} left`);
  facts.push(bestText(log), state === "failed" || message === "training" ? null : message);
  return facts.filter(Boolean).join(" · ");
}

/** The status `line`; `root`: the bar below it, and what went wrong. */
export function statusLine() {
  const root = make("div");
  const line = make("p", "pg-state");
  const badge = make("strong", "pg-badge");
  badge.setAttribute("role", "status"); // the numbers, which change all the time, are not read out
  const text = make("span");
  const bar = make("progress", "pg-progress");
  const failure = make("p", "pg-error");
  bar.setAttribute("aria-label", "steps taken");
  line.append(badge, text);
  root.append(bar, failure);

  const show = (news, log) => {
    const { state, message, step, max_steps } = news.status;
    const word = stateWord(news.status);
    if (badge.textContent !== word) Object.assign(badge, { textContent: word, className: `pg-badge pg-${state}` });
    text.textContent = ` ${progressText(news, log)}`;
    Object.assign(bar, { max: Math.max(1, max_steps), value: step });
    failure.textContent = state === "failed" ? sentence(message) : "";
  };
  const lost = (error) => {
    badge.textContent = badge.className = "";
    text.replaceChildren(make("span", "pg-error", error));
  };
  const inWords = () => `${badge.textContent}: ${text.textContent.trim() || "the first steps come soon"}`;
  return { root, line, show, lost, inWords };
}
