import assert from "node:assert/strict";
import { test } from "node:test";

import { marksOf } from "../../playground/tabs/attention/big_picture.js";
import { describeWeight } from "../../playground/tabs/attention/long_text.js";

test("a ruler marks round numbers that do not run into each other", () => {
  assert.deepEqual(marksOf(1024, 0.6), [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
  assert.deepEqual(marksOf(11, 24), [5, 10]);
  assert.deepEqual(marksOf(1, 24), [1]);
});

test("a weight is told with both its tokens, and what lies in the future as such", () => {
  const bytes = Uint8Array.from([255, 0, 255, 51, 102, 102]);
  const tokens = ["To", " be", ","];
  assert.equal(describeWeight(tokens, bytes, 2, 1), "Token 3 “,” looks at token 2 “·be”: weight 0.400.");
  assert.equal(describeWeight(tokens, bytes, 1, 0), "Token 2 “·be” looks at token 1 “To”: weight below 0.002.");
  assert.equal(describeWeight(tokens, bytes, 0, 2), "Token 1 “To” cannot see token 3 “,”, which comes later.");
});
