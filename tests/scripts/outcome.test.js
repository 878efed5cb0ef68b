import assert from "node:assert/strict";
import { test } from "node:test";

import { extendLog, newLog } from "../../playground/panels/live_run/log.js";
import { figuresOf } from "../../playground/panels/live_run/outcome.js";
import { changesIn, changesText } from "../../playground/panels/live_run/samples.js";

const line = (step, ...texts) => ({
  step,
  words: 10 - step / 5,
  answers: texts.map((text, i) => ({ prompt: `Prompt ${i}`, text })),
});
const [PARENT, LATER] = [
  line(0, "I know not what.", "Ay, my lord.", "No."),
  line(20, "I know.", " Ay, my lord.", "No."),
];

test("an answer has changed if its words have, and only what was asked both times is compared", () => {
  const found = changesIn([
    PARENT,
    line(10, "x", "y", "z"),
    { ...LATER, answers: [...LATER.answers, { prompt: "New", text: "?" }] },
  ]);
  assert.equal(found.step, 20);
  assert.deepEqual(
    found.pairs.map(({ prompt, changed }) => [prompt, changed]),
    [
      ["Prompt 0", true],
      ["Prompt 1", false],
      ["Prompt 2", false],
    ],
  );
  assert.equal(changesText(found), "After step 20, 1 of 3 answers to held-out prompts have changed.");
  assert.match(changesText({ step: 20, pairs: Array(8).fill(found.pairs[0]) }), /8 of 8 .* 6 of them:$/);
});

test("without the parent's answers, or with them alone, nothing can be said to have changed", () => {
  assert.equal(changesIn([]), null);
  assert.equal(changesIn([PARENT]), null);
  assert.equal(changesIn([line(10, "x"), line(20, "y")]), null);
});

test("what has changed is said as far as it was measured", () => {
  const columns = { step: [10, 20], "loss/val": [0.69, 0.5], "kl/val": [1, 2.25], "margin/val": [null, 0.1] };
  const log = extendLog(newLog(), { columns, means: {} });
  assert.deepEqual(figuresOf([], newLog()), []);
  assert.deepEqual(figuresOf([], log), [
    ["KL from the parent, nats", "2.3"],
    ["held-out margin", "0.10"],
    ["held-out loss", "0.69 → 0.50"],
  ]);
  assert.deepEqual(figuresOf([PARENT, LATER], log).slice(0, 2), [
    ["answers changed", "1 of 3"],
    ["words an answer", "10.0 → 6.0"],
  ]);
});
