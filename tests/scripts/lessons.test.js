// Lessons: where one is, numbers on an axis, a curve that is sketched, and a key that is edited.

import assert from "node:assert/strict";
import test from "node:test";

import { keyChange, softmax } from "../../playground/tabs/learn/key_weights.js";
import { doneIn, nextStep, openPlace, progressText } from "../../playground/tabs/learn/place.js";
import { fromSlider, shownNumber, ticksOf, toSlider } from "../../playground/tabs/learn/scale.js";
import { curveOf, drawn, nearest, placesOf } from "../../playground/tabs/learn/sketch_curve.js";

const lessons = /** @type {any[]} */ ([{ id: "a", steps: [{ id: "x" }, { id: "y" }] }]);
const kept = { "a/x": { prediction: 1, shown: {} }, "a/y": { prediction: 2 } };

test("the address names a lesson and a step, counted from 1; beyond the last it is the last", () => {
  const at = (address) => openPlace(lessons, new URLSearchParams(address))?.step;
  assert.equal(at("lesson=a&step=2"), 1);
  assert.equal(at("lesson=a"), 0);
  assert.equal(at("lesson=a&step=9"), 1);
  assert.equal(at("lesson=a&step=<b>"), 0);
  assert.equal(at("lesson=b&step=1"), undefined);
  assert.equal(at("tab=learn"), undefined);
});

test("one goes on at the first step that was not measured", () => {
  assert.equal(doneIn(kept, lessons[0]), 1);
  assert.equal(nextStep(kept, lessons[0]), 1);
  assert.equal(nextStep({ ...kept, "a/y": { shown: {} } }, lessons[0]), 0);
  assert.deepEqual(
    [0, 1, 2].map((done) => progressText(done, 2)),
    ["2 steps", "1 of 2 steps done", "done"],
  );
});

test("a value stands where a slider finds it again, on a log axis too", () => {
  for (const scale of [
    { low: 0, high: 150 },
    { low: 1, high: 300, log: true },
  ])
    for (const share of [0, 0.25, 1]) assert.ok(Math.abs(toSlider(scale, fromSlider(scale, share)) - share) < 1e-3);
  assert.equal(toSlider({ low: 1, high: 100, log: true }, 10), 0.5);
  assert.equal(fromSlider({ low: 1, high: 25, whole: true }, 0.4), 11);
  assert.deepEqual(ticksOf({ low: 0, high: 5 }), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(ticksOf({ low: 1, high: 1000, log: true }), [1, 10, 100, 1000]);
  assert.deepEqual(ticksOf({ low: 4, high: 256, at: [4, 16] }), [4, 16]);
  assert.deepEqual(
    [0, 0.123456, 12.345, 1234.5].map((n) => shownNumber(n)),
    ["0", "0.123", "12.3", "1,235"],
  );
  assert.equal(shownNumber(50, "%"), "50 %");
});

test("a pen leaves a straight line between two places, and what it left out is filled up", () => {
  const axis = { low: 0, high: 4, at: [0, 1, 2, 3, 4] };
  assert.equal(placesOf({ ...axis, at: [] }).length, 25);
  assert.equal(nearest(axis, axis.at, 0.55), 2);
  const values = drawn([null, null, null, null, null], { place: 3, value: 6 }, { place: 1, value: 2 });
  assert.deepEqual(values, [null, 2, 4, 6, null]);
  assert.deepEqual(curveOf(axis.at, values), [
    [0, 2],
    [1, 2],
    [2, 4],
    [3, 6],
    [4, 6],
  ]);
  assert.deepEqual(curveOf([0, 1, 2], [0, null, 8]), [
    [0, 0],
    [1, 4],
    [2, 8],
  ]);
  assert.equal(curveOf([0, 1], [null, null]), null);
});

test("a key that moves along the query gets the share that is wanted", () => {
  const head = { scores: [1, -2, 0.5], query_length: 2, scale: 0.25 };
  for (const [key, wanted] of [
    [1, 0.9],
    [0, 0.1],
  ]) {
    const { change, score } = keyChange(head, key, wanted);
    assert.ok(Math.abs(softmax(head.scores.map((old, i) => (i === key ? score : old)))[key] - wanted) < 1e-9);
    assert.ok(Math.abs(head.scores[key] + change * head.query_length * head.scale - score) < 1e-9);
    assert.equal(change > 0, key === 1);
  }
});
