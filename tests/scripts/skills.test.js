import assert from "node:assert/strict";
import { test } from "node:test";

import { markTrace } from "../../playground/panels/live_run/figure.js";
import { extendLog, newLog } from "../../playground/panels/live_run/log.js";
import { marksOf, newsOf } from "../../playground/panels/live_run/skills.js";

const skill = (title, step, evidence = "seen") => ({ title, step, evidence, sentence: "It does.", head: null });
const COLORS = { color: "#000", inside: "#fff" };

test("skills of one step are one mark, and marks are numbered by step", () => {
  const marks = marksOf([skill("words", 50), skill("lines", 50), skill("spelling", 200)]);
  assert.deepEqual(
    marks.map(({ step, number, skills }) => [step, number, skills.map(({ title }) => title)]),
    [
      [50, 1, ["words", "lines"]],
      [200, 2, ["spelling"]],
    ],
  );
  assert.deepEqual(marksOf([]), []);
});

test("news are what was not known at the last look", () => {
  const words = skill("words", 50);
  assert.equal(newsOf([], [words]), "Just learned: words (step 50).");
  assert.equal(newsOf([words], [words, skill("lines", 1500)]), "Just learned: lines (step 1,500).");
  assert.equal(newsOf([words], [words]), "");
});

test("a mark stands on the held-out loss, or between evaluations on that of the training", () => {
  const columns = { step: [1, 50, 90, 100], "loss/train": [6, 4, 3, 2], "loss/val": [null, 4.5, null, 2.5] };
  const log = extendLog(newLog(), { columns, means: {} });
  const { x, y, text, marker } = markTrace(log, marksOf([skill("words", 50), skill("lines", 89)]), 2, COLORS);
  assert.deepEqual([x, y[0], text], [[50, 89], 4.5, ["1", "2"]]);
  assert.ok(y[1] > 3 && y[1] < 6, "the smoothed loss of the nearest step");
  assert.ok(marker.size[1] > marker.size[0], "the one that is pointed at is larger");
});

test("what a model has written is no markup at a mark, and is broken into lines", () => {
  const log = extendLog(newLog(), { columns: { step: [50], "loss/train": [4] }, means: {} });
  const evidence = `For example: <a href="x">love</a> & ${"long ".repeat(30)}`;
  const { customdata } = markTrace(log, marksOf([skill("words", 50, evidence)]), null, COLORS);
  assert.ok(customdata[0].startsWith('<b>words</b><br>For example: &lt;a href="x">love&lt;/a> &amp; long'));
  assert.ok(customdata[0].split("<br>").every((line) => line.length < 90));
});
