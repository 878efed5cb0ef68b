import assert from "node:assert/strict";
import { test } from "node:test";

import { cellsOf } from "../../playground/tabs/tokenizer/table.js";
import { describeToken } from "../../playground/tabs/tokenizer/tokens.js";

const hex = (text) => Buffer.from(text, "utf8").toString("hex");

test("a row of the table says whether a token was merged, is a byte, or was added", () => {
  const merged = cellsOf([1300, hex(" the"), 1044, [hex(" t"), hex("he")], 5678], "shown");
  assert.deepEqual(merged, ["1,300", "shown", "20 74 68 65", "4", "merge 1,044: ·t + he", "5,678"]);
  assert.equal(cellsOf([1300, hex(" the"), 1044, [], 5], "")[4], "no merges: found whole");
  assert.equal(cellsOf([10, "0a", 0, [], 3], "")[4], "a single byte");
  assert.equal(cellsOf([2045, hex("<|user|>"), null, [], 0], "")[4], "a special token");
});

test("a token tells its rank, and how often it is in Shakespeare once that is counted", () => {
  const found = {
    tokens: [7, 300],
    odd: [false, true],
    merges: 1789,
    entries: { 7: ["07", 0, 1], 300: [hex("or"), 45, 2] },
  };
  const byte = Object.fromEntries(describeToken(found, 0, null));
  assert.equal(byte.rank, "a single byte");
  assert.equal(byte["in the 1 MB sample of Shakespeare"], "counting …");
  assert.ok(!("cut differently" in byte));
  const counts = new Uint32Array(301);
  counts[300] = 4321;
  const merged = Object.fromEntries(describeToken(found, 1, counts));
  assert.equal(merged.rank, "merge 45 of 1,789");
  assert.equal(merged["in this text"], "2×");
  assert.equal(merged["in the 1 MB sample of Shakespeare"], "4,321×");
  assert.ok("cut differently" in merged);
});
