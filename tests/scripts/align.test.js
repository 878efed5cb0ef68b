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
