import assert from "node:assert/strict";
import { test } from "node:test";

import { sentenceOf, termsOf } from "../../playground/tabs/attention/attribution.js";
import { placeOnScale } from "../../playground/tabs/attention/numbers.js";
import { mapOf, outcomeOf } from "../../playground/tabs/attention/patching.js";

const TERMS = {
  token_embedding: 0.5,
  position_embedding: -0.25,
  heads: [[1, -2]],
  mlps: [3],
  biases: 0,
  n_biases: 3,
  sum: 2.25,
  logit: 2.25,
  against: null,
  note: "",
};
const PAIR = {
  clean: ["A", ":\n", "x"],
  changed: ["B", ":\n", "x"],
  answers: [" he", " she"],
  differences: [2, -1],
  note: "",
};

test("numbers below zero lie left of the middle of a scale, those beyond its ends at its ends", () => {
  assert.deepEqual(
    [-4, -2, 0, 1, 9].map((value) => placeOnScale(value, 2)),
    [0, 0, 128, 191, 255],
  );
  assert.equal(placeOnScale(0, 0), 128);
});

test("all parts of a logit are lines of a table, and the strongest are named", () => {
  assert.deepEqual(termsOf(TERMS), [
    ["token embedding", "", "", 0.5],
    ["position embedding", "", "", -0.25],
    ["head", 1, 1, 1],
    ["head", 1, 2, -2],
    ["MLP", 1, "", 3],
    ["biases (3 terms)", "", "", 0],
  ]);
  assert.equal(
    sentenceOf(TERMS),
    "6 parts sum to 2.250; the model computes 2.250 for its logit. Most for it: MLP of layer 1 (+3.00), head 1 of " +
      "layer 1 (+1.00), token embedding (+0.50). Most against it: head 2 of layer 1 (−2.00), position embedding " +
      "(−0.25).",
  );
});

test("a map of positions marks the token that differs, and one of heads leads to each head", () => {
  const [columns, rows] = mapOf(PAIR, "residual", [[1, 0, -0.123]]);
  assert.deepEqual(
    columns.map(({ name, isMarked }) => [name, isMarked]),
    [
      ["A / B", true],
      [":↵", false],
      ["x", false],
    ],
  );
  assert.equal(rows[0].name, "embedding");
  assert.deepEqual(
    rows[0].cells.map(({ text }) => text),
    ["100", "", "−12"],
  );
  assert.deepEqual(rows[0].cells[2].facts, [["embedding, x", "−12.3 %"]]);
  const [heads, layers] = mapOf(PAIR, "heads", [
    [0, 0],
    [0, 1.5],
  ]);
  assert.deepEqual(
    heads.map(({ name }) => name),
    ["1", "2"],
  );
  assert.equal(layers[1].cells[1].head, "1,1");
});

test("what patching found says the answers, and what was stopped says so", () => {
  const measured = { residual: [[1, 0, 0]], heads: [[0.1, 0.4]], mlp: [] };
  assert.equal(
    outcomeOf(PAIR, measured, true),
    "Stopped. Logit of “·he” minus that of “·she”: 2.00 after the clean text, −1.00 after the changed one. " +
      "Head that brings back most: layer 1, head 2 (40.0 %).",
  );
});
