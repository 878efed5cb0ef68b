// A comparison of methods in figures: paths of reward against KL, and a table of what each method costs. No drawing.

import { duration, number } from "../../../assets/dom.js";
import { wholePercent } from "../../../assets/rates.js";

/**
 * See core/method_comparison_file.py.
 * @typedef {{method: string, strength: number, reward: number, reward_low: number, reward_high: number, kl: number,
 *   kl_low: number, kl_high: number, prompts: number, words: number, words_low: number, words_high: number,
 *   seconds: number, answers: number, votes: number, each: number}} Point
 * @typedef {{gain: number, seconds: number, answers: number, votes: number}} Price
 * @typedef {Record<string, {title: string, color: string, symbol: string}>} Looks
 */

const BEST_OF_N = "best-of-n";
const TURNED = ["dial", "steering"]; // methods that can be turned up at will
const ROOM = 1.5; // times as far as all others went: so far the axis of KL goes

/** The parent is the best of one answer. @param {Point} point */
export const isParent = ({ method, strength }) => method === BEST_OF_N && strength === 1;

/** @param {Point} point */
export const strengthText = ({ method, strength }) =>
  ({ [BEST_OF_N]: `n = ${strength}`, dial: `a = ${strength / 100}`, steering: `strength ${strength / 100}` })[method] ??
  `step ${number(strength)}`;

const counted = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;
const between = (value, low, high, write) => `${write(value)} (${write(low)} to ${write(high)})`;
const share = (value) => String(Math.round(100 * value));
const digits = (value) => value.toFixed(1);
const amount = (value) => (value < 10 ? digits(value) : number(Math.round(value)));
const rewardText = (p) => `${wholePercent(p.reward)} (${share(p.reward_low)} to ${share(p.reward_high)})`;

/** What it took, in words. @param {Point} point */
const spent = ({ method, each, seconds, answers, votes }) =>
  method === BEST_OF_N
    ? `nothing is learned; ${counted(each, "answer")} for each`
    : `${duration(seconds)}, ${counted(answers, "answer")}, ${counted(votes, "vote")}`;

/** What is read over a point. @param {Point} point @param {string} name */
export function pointText(point, name) {
  const [kl, words] = [
    between(point.kl, point.kl_low, point.kl_high, digits),
    between(point.words, point.words_low, point.words_high, digits),
  ];
  const exact = point.method === BEST_OF_N ? `at most ${point.kl.toFixed(2)}` : kl;
  const found = [name, `${rewardText(point)} of ${point.prompts} prompts`, `KL ${exact} nats`, `${words} words`];
  return [...found, spent(point)].join("<br>");
}

/**
 * Plotly's traces: the parent, and each method as a path that begins there.
 * @param {Point[]} points
 * @param {Looks} looks
 * @param {string} color of the parent
 */
export function tracesOf(points, looks, color) {
  const parent = points.find(isParent);
  if (!parent) return [];
  const bars = (some) => ({
    type: "data",
    symmetric: false,
    array: some.map((p) => p.reward_high - p.reward),
    arrayminus: some.map((p) => p.reward - p.reward_low),
    thickness: 1,
    width: 3,
  });
  const paths = Object.entries(looks).flatMap(([method, { title, color: own, symbol }]) => {
    const some = points.filter((p) => p.method === method && !isParent(p)).sort((a, b) => a.strength - b.strength);
    if (!some.length) return [];
    const whole = [parent, ...some];
    return {
      ...{ type: "scatter", mode: "lines+markers", name: title },
      ...{ x: whole.map(({ kl }) => kl), y: whole.map(({ reward }) => reward) },
      customdata: whole.map((p) => pointText(p, isParent(p) ? "the parent" : `${title}, ${strengthText(p)}`)),
      hovertemplate: "%{customdata}<extra></extra>",
      line: { color: own, width: 1.5, dash: method === BEST_OF_N ? "dot" : "solid" },
      marker: { color: own, symbol, opacity: 1, size: whole.map((p) => (isParent(p) ? 0 : 10)) },
      error_y: { ...bars(whole), color: own },
      cliponaxis: false,
    };
  });
  const star = {
    ...{ type: "scatter", mode: "markers", name: "the parent", x: [0], y: [parent.reward] },
    ...{ marker: { symbol: "star", size: 13, color }, cliponaxis: false },
    ...{ customdata: [pointText(parent, "the parent")], hovertemplate: "%{customdata}<extra></extra>" },
  };
  return [...paths, star];
}

/**
 * Where the axis of KL ends, undefined where all fits: a dial that was turned far does not squeeze the others.
 * @param {Point[]} points
 */
export function klEnd(points) {
  const end = ROOM * Math.max(0, ...points.filter(({ method }) => !TURNED.includes(method)).map(({ kl }) => kl));
  return end && points.some(({ kl }) => kl > end) ? end : undefined;
}

/**
 * The points behind the end of the axis, in words; "" where there are none.
 * @param {Point[]} points
 * @param {Looks} looks
 */
export function beyondText(points, looks) {
  const end = klEnd(points);
  const beyond = end ? points.filter(({ kl }) => kl > end).sort((a, b) => a.kl - b.kl) : [];
  if (!beyond.length) return "";
  const which = beyond.map((p) => `${looks[p.method].title}, ${strengthText(p)} (${amount(p.kl)} nats)`);
  return `${counted(beyond.length, "point")} farther to the right than is drawn: ${which.join("; ")}.`;
}

export const COLUMNS = [
  "method",
  "share of answers",
  "KL (nats)",
  "words",
  "time",
  "answers",
  "votes",
  "a point costs",
];

/** What one point of reward costs. @param {Point} point @param {Price | undefined} price */
function priceText(point, price) {
  if (isParent(point)) return "";
  if (point.method === BEST_OF_N) return `${counted(point.each - 1, "more answer")} each time`;
  if (!price) return "no gain beyond chance";
  const some = [`${amount(price.seconds)} s`, `${amount(price.answers)} answers`];
  return [...some, ...(point.votes ? [`${amount(price.votes)} votes`] : [])].join(", ");
}

/**
 * A row for the parent, and for each method at its greatest strength.
 * @param {{points: Point[], last: number[], prices: Record<string, Price>, parent: string}} comparison
 * @param {Looks} looks
 * @returns {string[][]}
 */
export function rowsOf({ points, last, prices, parent }, looks) {
  const some = [...points.filter(isParent), ...last.map((at) => points[at]).filter((point) => !isParent(point))];
  return some.map((p) => [
    isParent(p) ? parent : `${looks[p.method].title}, ${strengthText(p)}`,
    rewardText(p),
    p.method === BEST_OF_N
      ? `${isParent(p) ? "0" : `at most ${p.kl.toFixed(1)}`}`
      : between(p.kl, p.kl_low, p.kl_high, digits),
    between(p.words, p.words_low, p.words_high, digits),
    p.method === BEST_OF_N ? "–" : duration(p.seconds),
    p.method === BEST_OF_N ? (isParent(p) ? "–" : `${p.each} each time`) : number(p.answers),
    p.method === BEST_OF_N ? "–" : number(p.votes),
    priceText(p, prices[p.method]),
  ]);
}

/**
 * How far a part of the work is.
 * @param {{done: number, total: number, seconds: number, ended: boolean}} part
 * @param {boolean} running does the work go on?
 */
export function partText({ done, total, seconds, ended }, running) {
  if (!seconds) return running ? "waits" : "not begun";
  const all = `${number(done)} of ${number(total)}`;
  return ended && done >= total ? duration(seconds) : `${all}, ${duration(seconds)}`;
}

/**
 * How a comparison stands, in a sentence.
 * @param {{state: string, left: number, message: string, parts: any[]}} news
 */
export function stateText({ state, left, message, parts }) {
  const now = parts.find((part) => part.seconds && !part.ended);
  const seconds = parts.reduce((sum, part) => sum + part.seconds, 0);
  return {
    created: "Its process starts …",
    running: `${now ? `${now.title}: ` : ""}about ${duration(left)} left.`,
    finished: `Finished after ${duration(seconds)}.`,
    stopped: "Stopped: what was measured until then stays, and it can be resumed.",
    failed: message,
    interrupted: "Its process has ended before it was done: what was measured until then stays.",
  }[state];
}
