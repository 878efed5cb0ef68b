import assert from "node:assert/strict";
import { test } from "node:test";

import { duration } from "../../assets/dom.js";
import {
  bestEvaluation,
  extendLog,
  has,
  lossesAt,
  newLog,
  points,
  rowsWith,
  smoothed,
} from "../../playground/panels/live_run/log.js";
import { progressText } from "../../playground/panels/live_run/status.js";

const logOf = (columns, means = {}) => extendLog(newLog(), { columns, means });
const near = (found, wanted) =>
  found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < 1e-12, `${found} is not ${wanted}`));

test("a metric that comes later, or stays away, is null where it is not", () => {
  const log = logOf({ step: [1, 2], "loss/train": [5, 4] });
  extendLog(log, { columns: { step: [3], "loss/val": [4.5] }, means: {} });
  extendLog(log, { columns: { step: [4], "loss/train": [3] }, means: {} });
  assert.deepEqual(log.step, [1, 2, 3, 4]);
  assert.deepEqual(log.values, { "loss/train": [5, 4, null, 3], "loss/val": [null, null, 4.5, null] });
  assert.deepEqual(log.means, log.values);
});

test("of rows that stand for several steps the means are kept beside the values", () => {
  const log = logOf({ step: [1, 9], a: [5, 1], b: [7, 8] }, { a: [5, 3] });
  assert.deepEqual(
    [log.values.a, log.means.a, log.means.b],
    [
      [5, 1],
      [5, 3],
      [7, 8],
    ],
  );
});

test("points are the rows that have the metric, of several metrics those that have all", () => {
  const log = logOf({ step: [10, 20, 30], x: [1, null, 3], y: [null, 0, 6] });
  assert.deepEqual(points(log, "x"), { x: [10, 30], y: [1, 3] });
  assert.deepEqual(points(log, "nothing"), { x: [], y: [] });
  assert.deepEqual(rowsWith(log, "x", "y"), [2]);
  assert.deepEqual(
    [has(log, "y"), has(logOf({ step: [1], y: [null] }), "y"), has(log, "nothing")],
    [true, false, false],
  );
});

test("smoothing is the debiased exponential average", () => {
  // s1 = 8 / 2, w1 = 1/2; s2 = s1/2 + 4/2, w2 = 3/4; s3 = s2/2 + 0, w3 = 7/8
  const log = logOf({ step: [1, 2, 3], a: [8, 4, 0] });
  near(smoothed(log, "a", 0.5).y, [8, 4 / 0.75, 2 / 0.875]);
  assert.deepEqual(smoothed(log, "a", 0).y, [8, 4, 0]);
});

test("a row that stands for several steps counts as often, with their mean", () => {
  // Steps 2, 3, 4 at 4 each, in one row whose own value is 9: as if each had been a row.
  const thinned = logOf({ step: [1, 4], a: [8, 9] }, { a: [8, 4] });
  const whole = logOf({ step: [1, 2, 3, 4], a: [8, 4, 4, 4] });
  near([smoothed(thinned, "a", 0.5).y[1]], [smoothed(whole, "a", 0.5).y[3]]);
  assert.deepEqual(smoothed(thinned, "a", 0.5).x, [1, 4]);
});

test("the best evaluation is the one with the lowest validation loss", () => {
  const log = logOf({ step: [1, 2, 3], "loss/val": [4, 3, 3.5], "bpb/val": [2.5, null, 2.2] });
  assert.deepEqual(bestEvaluation(log), { step: 2, loss: 3, bits: null });
  assert.equal(bestEvaluation(logOf({ step: [1], "loss/train": [4] })), null);
});

test("the losses of a step are those that were measured there", () => {
  const log = logOf({ step: [1, 2], "loss/train": [5, 4], "loss/val": [null, 4.5] });
  assert.deepEqual(lossesAt(log, 2), [
    ["validation", 4.5],
    ["training", 4],
  ]);
  assert.deepEqual(lossesAt(log, 1), [["training", 5]]);
  assert.deepEqual(lossesAt(log, 7), []);
});

test("a time is said in the unit that suits it, and nothing takes no time", () => {
  assert.deepEqual([0.2, 89.4, 90, 5399, 5400, 36_000].map(duration), [
    "1 s",
    "89 s",
    "2 min",
    "90 min",
    "1.5 h",
    "10.0 h",
  ]);
});

test("the status says how far a run is and how long it still takes, as far as that is known", () => {
  const status = { state: "running", message: "training", step: 1200, max_steps: 5000 };
  const log = logOf({ step: [1000], "loss/val": [3.25], "bpb/val": [2.125] });
  const best = "best validation loss 3.250 (2.125 bits per byte) at step 1,000";
  assert.equal(progressText({ status, left: 80 }, log), `step 1,200 of 5,000 · about 80 s left · ${best}`);
  const waiting = { state: "queued", message: "waits for base", step: 0, max_steps: 0 };
  assert.equal(progressText({ status: waiting, left: null }, newLog()), "waits for base");
  const failed = { state: "failed", message: "the loss became nan", step: 3, max_steps: 3 };
  assert.equal(progressText({ status: failed, left: 5 }, newLog()), "step 3 of 3");
});
