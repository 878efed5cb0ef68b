import assert from "node:assert/strict";
import { test } from "node:test";

import { colorTable } from "../../assets/colors.js";
import { gazeOf } from "../../playground/tabs/attention/gaze.js";
import { cellOf, rowsOf as lensRows } from "../../playground/tabs/attention/lens.js";
import { summaryOf } from "../../playground/tabs/attention/loss_map.js";
import { lossChange } from "../../playground/tabs/attention/next_token_table.js";
import { decimal, percent, signedColor } from "../../playground/tabs/attention/numbers.js";

/** @type {any} */ (globalThis).Plotly = {}; // modules that draw load it otherwise
const { noteOf } = await import("../../playground/tabs/attention/heads.js");
const { rowsOf: headRows } = await import("../../playground/tabs/attention/head_files.js");
const { frameTitle } = await import("../../playground/tabs/attention/timelapse.js");
const { describeRun, recentLoss } = await import("../../playground/tabs/attention/two_trainings.js");

test("a number has a true minus sign, zero has none, and null is minus infinity", () => {
  assert.deepEqual(
    [1.23456, -1.5, -0.0001, null].map((value) => decimal(value)),
    ["1.235", "−1.500", "0.000", "−∞"],
  );
  assert.equal(decimal(-0.125, 2), "−0.13");
});

test("a probability has a digit more where it is small", () => {
  assert.deepEqual([0.31, 0.0425, 0.0004].map(percent), ["31 %", "4.3 %", "< 0.1 %"]);
});

test("the middle of a scale is zero, its ends are the largest change", () => {
  const colors = colorTable(["#0000ff", "#ffffff", "#ff0000"]);
  assert.equal(signedColor(colors, 2, 2), "rgb(255 0 0)");
  assert.equal(signedColor(colors, -2, 2), "rgb(0 0 255)");
  assert.equal(signedColor(colors, -9, 2), "rgb(0 0 255)");
  assert.equal(signedColor(colors, 0, 0), signedColor(colors, 0, 1));
});

const NAMES = ["To", "·be", "·or"];
const Z = [
  [1, null, null],
  [0.3, 0.7, null],
  [0.005, 0.9, 0.095],
];

test("a token looks at its strongest keys first, and faint ones are not named", () => {
  assert.equal(gazeOf(NAMES, Z, [2]).sentence, "“·or” looks at “·be” 0.90, “·or” 0.10.");
});

test("several tokens look at what they look at on average; the future counts as nothing", () => {
  const { mean, sentence } = gazeOf(NAMES, Z, [1, 0]);
  assert.deepEqual(mean, [0.65, 0.35, 0]);
  assert.equal(sentence, "The 2 chosen tokens look at “To” 0.65, “·be” 0.35.");
});

test("a token that a shorter text lacks is not asked, and without any there is a hint", () => {
  assert.match(gazeOf(NAMES, Z, [7]).sentence, /^Point at a token/);
  assert.deepEqual(gazeOf(NAMES, Z, []).mean, [0, 0, 0]);
});

test("one token is counted in the singular, and has no loss", () => {
  const value = { n_layer: 2, n_head: 3, tokens: ["a"], loss: null, seconds: 0.0125, cut: "" };
  assert.equal(noteOf(value), "6 heads, 1 token; forward pass 13 ms.");
  const cut = "Only the first 2 tokens are shown, of 9: a picture holds 2.";
  assert.equal(
    noteOf({ ...value, tokens: ["a", "b"], loss: 2, cut }),
    `${cut} 6 heads, 2 tokens; forward pass 13 ms. The model reads this text with a loss of 2.00 nats a token.`,
  );
});

test("a head's table has a row a query and a column a key", () => {
  const rows = headRows({ data: [{ z: Z }], names: NAMES });
  assert.deepEqual(rows[0], ["query \\ key", ...NAMES]);
  assert.deepEqual(rows[2], ["·be", 0.3, 0.7, null]);
});

const LENS = {
  tokens: ["to", " be"],
  best: [
    [
      [" be", "x"],
      ["y", "z"],
    ],
    [
      ["w", " be"],
      ["y", "z"],
    ],
  ],
  probabilities: [
    [
      [0.5, 0.25],
      [0.4, 0.1],
    ],
    [
      [0.6, 0.3],
      [0.4, 0.1],
    ],
  ],
  actual: [[0.5], [0.3]],
};

test("a layer of the lens is right where it says what comes, which nobody knows of the last token", () => {
  assert.equal(cellOf(LENS, 0, 0).right, true);
  assert.equal(cellOf(LENS, 1, 0).right, false);
  assert.deepEqual(cellOf(LENS, 1, 0).facts, [
    ["after", "to"],
    ["w", "60 %"],
    ["·be", "30 %"],
    ["really next: ·be", "30 %"],
  ]);
  assert.equal(cellOf(LENS, 1, 1).facts.length, 3);
});

test("the lens as a table has a line for each layer and token", () => {
  assert.deepEqual(lensRows(LENS), [
    [0, 0, "to", " be", 0.5, 0.5],
    [0, 1, " be", "y", 0.4, ""],
    [1, 0, "to", "w", 0.6, 0.3],
    [1, 1, " be", "y", 0.4, ""],
  ]);
});

test("the head that is missed most is named, of a measurement that was stopped too", () => {
  const measured = [
    [1, 1, -0.2],
    [1, 2, 0.1234],
    [2, 1, 0.05],
  ];
  assert.match(summaryOf(measured, false), /^Change of .* Most missed: layer 1, head 2 \(\+0\.123\)\.$/);
  assert.match(summaryOf(measured, true), /^Stopped\. /);
});

test("a change of the loss has a sign, and a text of one token has no loss", () => {
  assert.equal(lossChange(2, 2.25), "Loss on this text: 2.000 → 2.250 nats a token (+0.250).");
  assert.equal(lossChange(2, 1.5), "Loss on this text: 2.000 → 1.500 nats a token (−0.500).");
  assert.equal(lossChange(null, null), "");
});

test("a frame tells its step, its loss and how many heads have a name", () => {
  const frame = { loss: 3.14159, heads: { test: { names: ["", "previous", "induction", ""] } } };
  assert.equal(
    frameTitle("run", 1500, frame),
    "run, after step 1,500: loss on this text 3.14, 2 of 4 heads recognised",
  );
  assert.match(frameTitle("run", 0, { ...frame, loss: null }), /text –, /);
});

test("a training's loss is the mean of the last twenty", () => {
  assert.equal(recentLoss([]), null);
  assert.equal(recentLoss([4, 2]), 3);
  assert.equal(recentLoss([100, ...Array(20).fill(1)]), 1);
});

test("a run that waits says for whom, one that runs how far it is", () => {
  const status = { state: "created", step: 0, max_steps: 300, message: "waits for scaled-1 to end" };
  assert.equal(describeRun("unscaled-1", status, null), "unscaled-1: waits for scaled-1 to end");
  assert.equal(
    describeRun("a", { ...status, state: "running", step: 7 }, 2.5),
    "a: running, step 7 of 300, loss 2.500",
  );
});
