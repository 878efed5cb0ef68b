import assert from "node:assert/strict";
import { test } from "node:test";

import { arrangement, describeHead, filtersOf, markOf, ordersOf } from "../../playground/tabs/attention/head_facts.js";

// Two layers of two heads; "skip" is a pattern that the scripts have never heard of.
const PREVIOUS = { name: "previous", title: "previous token", color: "#0072B2", ink: "#FFFFFF" };
const SKIP = { name: "skip", title: "every other token", color: "#123456", ink: "#FEDCBA" };
const VALUE = {
  n_layer: 2,
  n_head: 2,
  patterns: [PREVIOUS, SKIP],
  heads: {
    text: {
      names: ["previous", "", "skip", "skip"],
      numbers: { previous: [0.9, 0.1, 0.2, 0.3], skip: [0, 0.05, 0.5, 0.7], entropy: [0.5, 3, 2, 1] },
    },
    test: {
      names: ["", "", "skip", "previous"],
      numbers: { previous: [0.11, 0.12, 0.13, 0.14], skip: [0.21, 0.22, 0.23, 0.24], entropy: [1.5, 1.25, 1, 0] },
    },
  },
};
const wish = (changes) => ({ filter: "", order: "layer", basis: "text", ...changes });

test("a pattern that no script knows has its title, its colour and its scores", () => {
  const told = describeHead(VALUE, 2, "text");
  assert.equal(told.label, "layer 2, head 1: every other token");
  assert.deepEqual(told.mark, { letter: "S", color: "#123456", ink: "#FEDCBA" });
  assert.deepEqual(told.facts, [
    ["layer 2, head 1", "every other token"],
    ["share of attention on", "this text (random tokens)"],
    ["previous token", "0.20 (0.13)"],
    ["every other token", "0.50 (0.23)"],
    ["entropy", "2.00 bits (1.00)"],
  ]);
  assert.deepEqual(filtersOf(VALUE.patterns).at(2), ["skip", "every other token"]);
  assert.deepEqual(ordersOf(VALUE.patterns).at(-1), ["skip", "every other token score"]);
  assert.deepEqual(markOf(SKIP), told.mark);
});

test("a head's name is what it does on the text or on the test, whichever is asked for", () => {
  assert.equal(describeHead(VALUE, 3, "test").label, "layer 2, head 2: previous token");
  assert.equal(describeHead(VALUE, 0, "test").label, "layer 1, head 1: no simple pattern");
  assert.equal(describeHead(VALUE, 0, "test").mark, null);
});

test("heads are sorted by a pattern from the highest score down, by entropy from the lowest up", () => {
  assert.deepEqual(arrangement(VALUE, wish({ order: "skip" })).order, [3, 2, 1, 0]);
  assert.deepEqual(arrangement(VALUE, wish({ order: "entropy" })).order, [0, 3, 2, 1]);
  assert.deepEqual(arrangement(VALUE, wish({ order: "entropy", basis: "test" })).order, [3, 2, 1, 0]);
  assert.equal(arrangement(VALUE, wish({})).order, null);
});

test("only heads that fit the filter are sorted; in the order of the layers all of them stand", () => {
  const skipping = arrangement(VALUE, wish({ order: "skip", filter: "skip" }));
  assert.deepEqual(skipping.order, [3, 2]);
  assert.deepEqual(skipping.fits, [false, false, true, true]);
  assert.deepEqual(arrangement(VALUE, wish({ filter: "none" })).fits, [false, true, false, false]);
  assert.deepEqual(arrangement(VALUE, wish({ order: "skip", filter: "first" })).order, []);
});

test("a filter that fits no head says so, in the words of its list", () => {
  const sentence = (changes) => arrangement(VALUE, wish(changes)).none;
  assert.equal(sentence({ filter: "skip" }), "");
  const lost = { heads: { test: { names: ["", "", "", ""], numbers: {} } } };
  assert.equal(
    arrangement({ ...VALUE, ...lost }, wish({ filter: "skip", basis: "test" })).none,
    "No head of this model is recognised as “every other token” on random tokens that repeat.",
  );
  assert.match(sentence({ filter: "first" }), /^No head .* on this text\.$/);
});

test("what is sorted is captioned with its place and its score", () => {
  assert.deepEqual(arrangement(VALUE, wish({ order: "previous" })).captions, [
    "L1 H1 · 0.90",
    "L1 H2 · 0.10",
    "L2 H1 · 0.20",
    "L2 H2 · 0.30",
  ]);
  assert.deepEqual(arrangement(VALUE, wish({})).captions, ["", "", "", ""]);
});
