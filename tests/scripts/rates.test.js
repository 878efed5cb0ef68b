import assert from "node:assert/strict";
import { test } from "node:test";

import { intervalText, rateText } from "../../assets/rates.js";

test("a share is told with the number of what was counted", () => {
  const rate = { share: 8 / 13, low: 0.355, high: 0.823, count: 13, of: "votes" };
  assert.equal(rateText(rate), "62 % of 13 votes");
  assert.equal(intervalText(rate), "62 %, between 36 % and 82 % with 95 % confidence");
});

test("where nothing was counted there is no share", () => {
  assert.equal(rateText({ count: 0, of: "pairs that came back" }), "0 pairs that came back");
});
