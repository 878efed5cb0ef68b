import assert from "node:assert/strict";
import { test } from "node:test";

import {
  colorsOf,
  figures,
  isJoinedBy,
  mergesOf,
  pauseBetween,
  piecesAfter,
  placeOf,
} from "../../playground/tabs/tokenizer/merges.js";

// "aabb": merge 1 joins a + a, merge 3 b + b, merge 5 both.
const TEXT = { bytes: "61616262", boundaries: [1, 5, 3] };

test("a boundary stands until its merge is applied", () => {
  const cuts = (n) => piecesAfter(n, TEXT).map(([start, end]) => `${start}-${end}`);
  assert.deepEqual(cuts(0), ["0-1", "1-2", "2-3", "3-4"]);
  assert.deepEqual(cuts(1), ["0-2", "2-3", "3-4"]);
  assert.deepEqual(cuts(2), cuts(1));
  assert.deepEqual(cuts(3), ["0-2", "2-4"]);
  assert.deepEqual(cuts(5), ["0-4"]);
  assert.deepEqual(piecesAfter(0, { bytes: "", boundaries: [] }), []);
});

test("the merges of a text are those that change it, and each lights the pieces that it makes", () => {
  assert.deepEqual(mergesOf({ boundaries: [1, 8, 3, 1, 7], merges: 7 }), [1, 3, 7]); // 8: a boundary that stays
  const lit = (n) => piecesAfter(n, TEXT).map((piece) => isJoinedBy(n, piece, TEXT));
  assert.deepEqual(lit(1), [true, false, false]);
  assert.deepEqual(lit(2), [false, false, false]);
  assert.deepEqual(lit(3), [false, true]);
  assert.deepEqual(lit(5), [true]);
});

test("all merges of a text are played in about 20 seconds, none faster than can be seen", () => {
  assert.deepEqual([1, 40, 1000].map(pauseBetween), [700, 500, 80]);
});

test("a piece keeps its colour while others merge, and neighbours differ", () => {
  assert.deepEqual(
    colorsOf([
      [0, 1],
      [1, 2],
      [2, 7],
      [7, 8],
    ]),
    [0, 1, 2, 3],
  );
  assert.deepEqual(
    colorsOf([
      [0, 7],
      [7, 8],
    ]),
    [0, 2],
  );
  assert.deepEqual(
    colorsOf([
      [0, 5],
      [5, 6],
      [6, 7],
    ]),
    [0, 1, 2],
  );
});

test("a number of merges lies between two positions of the slider in proportion", () => {
  const positions = [0, 1, 2, 10];
  assert.deepEqual(
    [0, 2, 4, 10].map((n) => placeOf(n, positions)),
    [0, 2, 2.25, 3],
  );
});

test("the vocabulary's rows are bytes, merges and special tokens; a model's embedding has as many", () => {
  const vocabulary = { ...TEXT, merges: 1000, specials: 3, n_embd: 10, block_size: 8 };
  const told = Object.fromEntries(figures(1, ["6161", "62", "62"], vocabulary));
  assert.equal(told.merges, "1 of 1,000");
  assert.equal(told.tokens, "3");
  assert.equal(told["bytes per token"], "1.33");
  assert.equal(told["of the vocabulary in use"], "2 of 260 (0.8 %)");
  assert.equal(told["embedding parameters (260 × 10)"], "2,600");
  assert.equal(told["of the context of 8 tokens"], "37.5 %");
  assert.equal(figures(1, [], { ...vocabulary, bytes: "", n_embd: null }).length, 4);
});
