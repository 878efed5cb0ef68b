import assert from "node:assert/strict";
import { test } from "node:test";

import { describeDifference, differs } from "../../playground/tabs/attention/written.js";

const tokens = (words) => words.split(" ").map((word) => [word, 0.5]);

test("a token differs where the other text has another one, or has ended", () => {
  const [long, short] = [tokens("to be or not"), tokens("to see or")];
  assert.deepEqual(
    long.map((_, i) => differs(long, short, i)),
    [false, true, false, true],
  );
});

test("it is said how far two texts agree, and how many tokens differ", () => {
  assert.equal(describeDifference(tokens("to be or"), tokens("to be or")), "Both wrote the same 3 tokens.");
  assert.equal(describeDifference(tokens("to be or"), tokens("to be")), "The first 2 of 3 tokens agree; 1 differ.");
  assert.equal(
    describeDifference(tokens("a be"), tokens("to be")),
    "The texts part at the first of 2 tokens; 1 differ.",
  );
});
