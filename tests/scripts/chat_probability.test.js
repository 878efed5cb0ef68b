import assert from "node:assert/strict";
import { test } from "node:test";

import { aboutText, contextText, forgottenByAll } from "../../playground/tabs/chat/context.js";
import { colorOf, percent, surprise } from "../../playground/tabs/chat/probability.js";

test("a probability is written with a digit behind the point where it is small, and never as 0", () => {
  const written = [1, 0.5, 0.0995, 0.0994, 0.001, 0.0009, 0].map(percent);
  assert.deepEqual(written, ["100 %", "50 %", "10 %", "9.9 %", "0.1 %", "< 0.1 %", "< 0.1 %"]);
});

test("a coin's toss has one bit of surprise, what is certain none, what cannot be not infinitely much", () => {
  assert.equal(surprise(0.5), "1.0 bits");
  assert.equal(surprise(1), "0.0 bits");
  assert.equal(surprise(0), "29.9 bits");
});

test("the colour of a probability lies as far along the scale as it is likely", () => {
  const colors = Uint32Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(
    [0, 0.5, 1].map((p) => colorOf(p, colors)),
    [0, 128, 255],
  );
});

test("how much a model reads, and what it does not read any more", () => {
  const context = { said: 1200, read: 1200, size: 2048, forgotten: 0 };
  assert.equal(contextText({ model: "bard", context }), "bard reads 1,200 of at most 2,048 tokens.");
  const full = (forgotten) => contextText({ model: "bard", context: { said: 14755, read: 163, size: 256, forgotten } });
  assert.equal(full(0), "bard reads the last 163 of 14,755 tokens.");
  assert.match(full(1), /tokens; the first turn not at all\.$/);
  assert.match(full(2), /tokens; the first 2 turns not at all\.$/);
});

test("a turn is forgotten when no model reads it", () => {
  const reads = (forgotten) => ({ model: "m", context: { read: 1, size: 1, forgotten } });
  assert.equal(forgottenByAll([reads(3), reads(1)]), 1);
  assert.equal(forgottenByAll([reads(3), { model: "m", context: null }]), 0);
  assert.equal(forgottenByAll([]), 0);
});

test("it is said whether a model answers, goes on, or cannot be read", () => {
  assert.match(aboutText({ model: "m", answers: true }), /answer in turns/);
  assert.match(aboutText({ model: "m", answers: true }, "n"), /in turns. .* as n answers nobody/);
  assert.match(aboutText({ model: "m", answers: false }), /base model/);
  assert.equal(aboutText({ model: "m", error: "It is gone." }), "It is gone.");
});
