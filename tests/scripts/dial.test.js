import assert from "node:assert/strict";
import { test } from "node:test";

import { curveName, klTicks, mixText, pointText, tracesOf } from "../../playground/tabs/align/dial_points.js";

const setting = (amounts, more = {}) => ({ amounts, off: [], layer: 2, strength: 0, ...more });
const at = (a, reward, kl) => ({ at: a, reward, kl, words: [7.25, 6, 8] });
const curve = {
  ...{ name: "dial of b", of: "dial", prompts: 60 },
  points: [at(0, [0.3, 0.2, 0.43], [0, 0, 0]), at(2, [0.9, 0.8, 0.95], [9, 8, 10])],
};

test("a mixture is written as the sum that it is", () => {
  assert.equal(mixText("a", setting({ b: 0 })), "a");
  assert.equal(mixText("a", setting({ b: 0.5 })), "a + 0.5 (b \u2212 a)");
  assert.equal(mixText("a", setting({ b: -0.35, c: 1 })), "a \u2212 0.35 (b \u2212 a) + 1 (c \u2212 a)");
  const all = setting({ b: 1 }, { off: ["attn.0", "mlp.1"], strength: -1.5 });
  assert.equal(mixText("a", all), "a + 1 (b \u2212 a), 2 parts left out, steered by \u22121.5 at layer 3");
});

test("a curve is called by what moves along it and what stays", () => {
  assert.equal(curveName("dial", setting({ b: 0.5 })), "dial of b");
  assert.equal(
    curveName("dial", setting({ b: 0.5, c: 0.25 }, { off: ["mlp.0"] })),
    "dial of b with 0.25 c, 1 left out",
  );
  assert.equal(curveName("steering", setting({ b: 0 })), "steering at layer 3");
});

test("score is drawn against the square root of KL, and read with its interval and n", () => {
  const [trace] = tracesOf([curve], ["#0072b2"]);
  assert.deepEqual(
    [trace.x, trace.y],
    [
      [0, 3],
      [0.3, 0.9],
    ],
  );
  assert.deepEqual(trace.text, ["", "2"], "the parent is not written over the axis");
  const rounded = (all) => all.map((value) => Number(value.toFixed(3)));
  assert.deepEqual(
    [rounded(trace.error_y.array), rounded(trace.error_y.arrayminus)],
    [
      [0.13, 0.05],
      [0.1, 0.1],
    ],
  );
  assert.deepEqual(klTicks([curve]), {
    tickvals: [0, 0.25, 1, 2, 5, 10].map(Math.sqrt),
    ticktext: ["0", "0.25", "1", "2", "5", "10"],
  });
  const said = pointText(curve, curve.points[1]);
  assert.match(said, /^dial of b: a = 2<br>90 % \(80 % to 95 %\) of 60 prompts<br>KL 9\.0 \(8\.0 to 10\.0\) nats/);
});
