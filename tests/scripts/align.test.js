import assert from "node:assert/strict";
import { test } from "node:test";

import { extendLog, newLog } from "../../playground/panels/live_run/log.js";

// Plotly is loaded as soon as a module with plots is; here nothing is drawn.
globalThis.Plotly = {};
const { marginsText } = await import("../../playground/tabs/align/calibration.js");
const { stateText } = await import("../../playground/tabs/align/comparison.js");
const { byKind, followLatest } = await import("../../playground/tabs/align/details.js");
const { fateOf, partsText, ranked } = await import("../../playground/tabs/align/groups.js");
const { limitsInSight, pointsOf } = await import("../../playground/tabs/align/kl.js");
const {
  beyondText,
  isParent,
  klEnd,
  partText,
  pointText,
  rowsOf,
  stateText: comparisonText,
  strengthText,
  tracesOf,
} = await import("../../playground/tabs/align/method_points.js");
const { pointText: pushedText, tracesOf: pushed } = await import("../../playground/tabs/align/goodhart_points.js");
const { rangeOf, storyOf } = await import("../../playground/tabs/align/pairs.js");
const { scaleOf } = await import("../../playground/tabs/align/rollouts.js");

test("what a run shows of itself is told by what its details hold", () => {
  const [reward, dpo, ppo] = [
    { step: 1, margins: [0.5], calibration: [{}] },
    { step: 1, pairs: [{}] },
    { step: 1, rollouts: [{}] },
  ];
  assert.deepEqual([...byKind([reward]).keys()], ["calibration"]);
  assert.deepEqual([...byKind([dpo]).keys()], ["pairs"]);
  assert.deepEqual([...byKind([ppo, { step: 2, rollouts: [] }])], [["rollouts", [ppo]]]);
  assert.equal(byKind([{ step: 1, somethingElse: [1] }]).size, 0);
});

test("a slider over evaluations stays at the latest, unless somebody looks back", () => {
  assert.equal(followLatest(0, 0, 3), 2);
  assert.equal(followLatest(2, 3, 5), 4);
  assert.equal(followLatest(1, 3, 5), 1);
});

test("a point against KL needs both metrics", () => {
  const columns = { step: [1, 2, 3], "kl/val": [0, null, 2], "margin/val": [0, 5, 7], "objective/kl": [1, 1, 1] };
  const log = extendLog(newLog(), { columns, means: {} });
  assert.deepEqual(pointsOf(log, { x: "kl/val", y: "margin/val" }), { step: [1, 3], x: [0, 2], y: [0, 7] });
  assert.deepEqual(pointsOf(log, { x: "kl/val", y: "score/val" }).step, []);
});

test("a limit is shown once the run comes near it", () => {
  const limits = { kl_target: 6, kl_stop: 30 };
  assert.deepEqual(limitsInSight(limits, 1), []);
  assert.deepEqual(limitsInSight(limits, 5), [["kl_target", 6]]);
  assert.equal(limitsInSight(limits, 25).length, 2);
});

test("it is said when a margin grew although the preferred answer fell", () => {
  assert.equal(storyOf([{ chosen: 0, rejected: 0 }]), "Nothing has moved yet.");
  const [up, down, worse] = [
    { chosen: 1, rejected: -1 },
    { chosen: -2, rejected: -5 },
    { chosen: -3, rejected: 1 },
  ];
  assert.equal(storyOf([up, worse]), "In 1 of 2 pairs the margin grew.");
  assert.match(storyOf([up, down, worse]), /^In 2 of 3 pairs the margin grew. In 1 of these the preferred answer fell/);
});

test("the axes of all steps hold every pair, and 1 nat at least", () => {
  const few = rangeOf([{ pairs: [{ chosen: 0.2, rejected: -0.1 }] }]);
  assert.deepEqual(few, [-1.05, 1.05]);
  const [low, high] = rangeOf([{ pairs: [{ chosen: 4, rejected: -2 }] }, { pairs: [{ chosen: 0, rejected: -10 }] }]);
  assert.ok(Math.abs(low + 10.5) < 1e-9 && Math.abs(high - 4.2) < 1e-9);
});

test("the colours of tokens leave out the two most extreme in a hundred", () => {
  const kl = Array.from({ length: 101 }, (_, i) => (i % 2 ? -i : i));
  assert.equal(scaleOf([{ rollouts: [{ kl }] }], "kl"), 98);
  assert.equal(scaleOf([{ rollouts: [{ kl: [0, 0.01] }] }], "kl"), 0.1);
});

test("of the margins those above 0 are ranked right", () => {
  assert.match(marginsText([1, 0, -1, 2]), /2 of 4 are ranked right \(50 %\)/);
  assert.match(marginsText([]), /0 of 0 are ranked right \(0 %\)/);
});

test("a comparison says how far it is, and what it measures", () => {
  assert.equal(stateText({ state: "running", message: "", total: 50 }, 16), "16 of 50 prompts answered");
  assert.equal(
    stateText({ state: "running", message: "measuring KL", total: 50 }, 50),
    "measuring KL: 50 of 50 prompts answered",
  );
  assert.equal(
    stateText({ state: "stopped", message: "stopped", total: 50 }, 16),
    "stopped: 16 of 50 prompts answered",
  );
  assert.equal(stateText({ state: "finished", message: "", total: 50 }, 50), "50 prompts answered by both");
});

test("a group's answers stand by what they are worth, with what each reward gave where there are several", () => {
  const [low, high] = [
    { reward: 0, advantage: -0.7 },
    { reward: 1, advantage: 0.7 },
  ];
  assert.deepEqual(ranked([low, high]), [high, low]);
  assert.equal(partsText(["question"], [1]), "");
  assert.equal(partsText(["question", "metre"], [1, 0.5]), " (question 1.00, metre 0.50)");
  const fates = [low, high, { advantage: 0.001 }].map(fateOf);
  assert.deepEqual(fates, ["becomes less likely", "becomes likelier", "stays as likely"]);
});

// --- methods compared ---

const looks = {
  "best-of-n": { title: "Best-of-n", color: "purple", symbol: "diamond" },
  dpo: { title: "DPO", color: "blue", symbol: "circle" },
  grpo: { title: "GRPO", color: "green", symbol: "triangle-up" },
};
const kept = { reward: 0.2, reward_low: 0.1, reward_high: 0.35, kl: 0, kl_low: 0, kl_high: 0, prompts: 100 };
Object.assign(kept, { words: 9, words_low: 8, words_high: 10, seconds: 0, answers: 0, votes: 0, each: 1 });
const parent = { ...kept, method: "best-of-n", strength: 1 };
const best = { ...kept, method: "best-of-n", strength: 4, reward: 0.5, kl: 0.64, each: 4 };
const dpo = { ...kept, method: "dpo", strength: 60, reward: 0.9, reward_low: 0.8, reward_high: 0.95, kl: 3 };
Object.assign(dpo, { kl_low: 2.5, kl_high: 3.5, seconds: 50, answers: 1400, votes: 200 });
const early = { ...dpo, strength: 6, kl: 0.3 };

test("each method is a path that begins at the parent, in the order of its strength", () => {
  assert.deepEqual(tracesOf([best, dpo], looks, "black"), [], "without the parent nothing is drawn");
  const [first, second, star] = tracesOf([parent, best, dpo, early], looks, "black");
  assert.deepEqual([first.name, second.name, star.name], ["Best-of-n", "DPO", "the parent"]);
  assert.deepEqual(first.x, [0, 0.64]);
  assert.deepEqual(second.x, [0, 0.3, 3]);
  assert.deepEqual(second.marker.size, [0, 10, 10]);
  assert.notEqual(first.marker.symbol, second.marker.symbol);
  assert.ok(Math.abs(second.error_y.array[2] - 0.05) < 1e-9 && Math.abs(second.error_y.arrayminus[2] - 0.1) < 1e-9);
  assert.match(second.customdata[2], /^DPO, step 60<br>90 % \(80 to 95\) of 100 prompts<br>KL 3.0 \(2.5 to 3.5\) nats/);
  const others = [{ method: "dial", strength: 150 }, { method: "steering", strength: 400 }, dpo, best];
  assert.deepEqual(others.map(strengthText), ["a = 1.5", "strength 4", "step 60", "n = 4"]);
  assert.match(pointText(best, "n"), /KL at most 0.64 nats.*nothing is learned; 4 answers for each/);
});

test("a dial that was turned far does not squeeze the others: its farthest points are told in words", () => {
  const all = { ...looks, dial: { title: "Dial", color: "orange", symbol: "pentagon" } };
  const [near, far] = [4, 40].map((kl) => ({ ...dpo, method: "dial", strength: 5 * kl, kl }));
  assert.deepEqual([klEnd([parent, best, dpo, near]), beyondText([parent, best, dpo, near], all)], [undefined, ""]);
  assert.deepEqual([klEnd([parent, far]), klEnd([parent, best, dpo, far, near])], [undefined, 4.5]);
  const told = "1 point farther to the right than is drawn: Dial, a = 2 (40 nats).";
  assert.equal(beyondText([parent, far, dpo, near], all), told);
});

test("a point of reward is priced where something was gained", () => {
  const prices = { dpo: { gain: 70, seconds: 0.71, answers: 20, votes: 2.9 } };
  const grpo = { ...dpo, method: "grpo", reward: 0.22, votes: 0, seconds: 120 };
  const rows = rowsOf({ points: [parent, best, dpo, grpo], last: [1, 2, 3], prices, parent: "bard" }, looks);
  assert.deepEqual(
    rows.map((row) => [row[0], row.at(-1)]),
    [
      ["bard", ""],
      ["Best-of-n, n = 4", "3 more answers each time"],
      ["DPO, step 60", "0.7 s, 20 answers, 2.9 votes"],
      ["GRPO, step 60", "no gain beyond chance"],
    ],
  );
  assert.deepEqual(rows[2].slice(1, 7), [
    "90 % (80 to 95)",
    "3.0 (2.5 to 3.5)",
    "9.0 (8.0 to 10.0)",
    "50 s",
    "1,400",
    "200",
  ]);
  const [only] = rowsOf({ points: [parent], last: [0], prices: {}, parent: "bard" }, looks);
  assert.ok(isParent(parent) && only[0] === "bard");
});

test("a reward model and its rule are two lines against the root of KL, which begin at the parent", () => {
  const scored = { ...kept, proxy: 0, proxy_low: -0.1, proxy_high: 0.1 };
  const start = { ...scored, method: "best-of-n", strength: 1, reward: 0, reward_low: -0.2, reward_high: 0.2 };
  const itself = { ...start, strength: 4, kl: 0.64, reward: 0.9, proxy: 0.9 };
  const first = { ...start, votes: 20 };
  const picked = { ...itself, votes: 20, reward: 0.4, proxy: 0.8 };
  const ppo = { ...picked, method: "ppo", strength: 60, kl: 9, reward: -1.5, proxy: 2 };
  const looks = [{ color: "blue", symbol: "circle" }];
  const points = [start, itself, first, picked, ppo];
  const [most, proxy, rule] = pushed(points, "best-of-n", [20], looks, "black");
  assert.deepEqual([most.name, most.line.dash, most.y], ["the rule itself", "dot", [0, 0.9]]);
  assert.deepEqual([proxy.x, proxy.y, proxy.line.dash, proxy.showlegend], [[0, 0.8], [0, 0.8], "dash", false]);
  assert.deepEqual([rule.x, rule.y, rule.line.dash, rule.name], [[0, 0.8], [0, 0.4], "solid", "20 votes"]);
  assert.ok(Math.abs(rule.error_y.arrayminus[0] - 0.2) < 1e-9 && proxy.marker.symbol === "circle-open");
  const [ppoProxy, ppoRule, ...more] = pushed(points, "ppo", [20, 60], looks, "black");
  assert.deepEqual([ppoProxy.x, ppoRule.y, more.length], [[0, 3], [0, -1.5], 0]);
  assert.deepEqual(pushed([], "ppo", [20], looks, "black"), []);
  assert.match(pushedText(ppo), /^20 votes, step 60<br>rule −1.50 .*<br>reward model \+2.00 .*<br>KL 9.00 nats/);
});

test("how far a comparison is stands in its parts", () => {
  const part = { title: "DPO", done: 12, total: 60, seconds: 8, ended: false };
  assert.equal(partText(part, true), "12 of 60, 8 s");
  assert.equal(partText({ ...part, done: 60, ended: true }, true), "8 s");
  assert.equal(partText({ ...part, ended: true }, true), "12 of 60, 8 s", "it has ended early");
  assert.equal(partText({ ...part, seconds: 0 }, true), "waits");
  assert.equal(partText({ ...part, seconds: 0 }, false), "not begun");
  const news = { state: "running", left: 200, message: "", parts: [{ ...part, ended: true }, part] };
  assert.equal(comparisonText(news), "DPO: about 3 min left.");
  assert.equal(comparisonText({ ...news, state: "finished" }), "Finished after 16 s.");
  assert.equal(comparisonText({ ...news, state: "failed", message: "No." }), "No.");
});
