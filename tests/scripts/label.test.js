import assert from "node:assert/strict";
import { test } from "node:test";

import { scales } from "../../playground/tabs/label/hit_rate.js";
import { klScales, topOf } from "../../playground/tabs/label/kl_chart.js";
import { learningText } from "../../playground/tabs/label/learning.js";
import { deletedText } from "../../playground/tabs/label/table.js";
import { againText, learnedText, troubleText } from "../../playground/tabs/label/train_again.js";
import { timeText } from "../../playground/tabs/label/vote_row.js";

test("the course of a hit rate goes from the first vote to the last, and from 0 at the bottom to 1 at the top", () => {
  const { x, y } = scales(5);
  assert.deepEqual([x(1), x(3), x(5)], [46, 178, 310]);
  assert.deepEqual([y(1), y(0.5), y(0)], [8, 60, 112]);
  assert.equal(scales(1).x(1), 46);
});

test("a vote's time is a day and a minute; what is no time stays as it is", () => {
  assert.match(timeText("2026-11-27T16:05:00"), /^27\/11\/2026, 16:05$/);
  assert.equal(timeText("<i>yesterday"), "<i>yesterday");
});

test("what was deleted is counted in words", () => {
  assert.equal(deletedText(1), "1 vote deleted.");
  assert.equal(deletedText(1200), "1,200 votes deleted.");
});

test("models that learned from deleted votes are offered once, whatever their number, or it is said why not", () => {
  const [one, three] = [1, 3].map((votes) => ({ name: `bard-${votes}`, votes, trouble: "" }));
  assert.equal(learnedText([one]), "bard-1 learned from the deleted vote.");
  assert.equal(learnedText([three]), "bard-3 learned from 3 deleted votes.");
  assert.equal(learnedText([one, three]), "2 models learned from deleted votes.");
  assert.deepEqual([one, three].map(againText), ["Train it again without it", "Train it again without them"]);
  const [gone, judge] = ["its parent is gone", "no vote can be left out"].map((trouble) => ({ ...one, trouble }));
  assert.equal(troubleText([gone]), "A model that learned from deleted votes stays as it is: its parent is gone.");
  assert.match(
    troubleText([gone, judge]),
    /^2 models .* stay as they are: its parent is gone; no vote can be left out\.$/,
  );
});

test("the chart of KL goes from no votes to all of them, and from 0 at the bottom to the next whole number", () => {
  const { x, y } = klScales(20, 2.3);
  assert.deepEqual([x(0), x(10), x(20)], [46, 176, 306]);
  assert.deepEqual([y(0), y(1.5), y(3)], [92, 52, 12]);
  assert.deepEqual([topOf(0.2), topOf(3), topOf(3.1)], [1, 3, 4]);
});

test("what a model learns while one votes is said in words", () => {
  const learned = { lineage: [{ kl: 2.34 }], current: 3 };
  const told = (changes) => {
    const usual = { on: true, current: 0, votes: 7, decided: 5, left: 3, lineage: [], model: "bard" };
    return learningText({ ...usual, ...changes });
  };
  assert.equal(told({}), "bard answers as it is. It learns after 3 more votes.");
  assert.equal(told({ left: 1, ...learned }), "Version 3 answers, KL 2.34. It learns after 1 more vote.");
  assert.equal(told({ learning: true }), "bard answers as it is. Learning from 7 votes …");
  assert.equal(told({ left: 0, decided: 0 }), "bard answers as it is. No vote prefers an answer yet.");
  assert.equal(told({ on: false }), "");
  assert.equal(told({ on: false, ...learned }), "Off: bard answers as it is; version 3 is kept.");
  assert.match(told({ paused: true, ...learned }), /Paused: it learns no further\.$/);
  assert.match(told({ waits: true, left: 0 }), /It waits for a training to end\.$/);
});
