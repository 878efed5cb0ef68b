import assert from "node:assert/strict";
import { test } from "node:test";

import { scales } from "../../playground/tabs/label/hit_rate.js";
import { deletedText } from "../../playground/tabs/label/table.js";
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
