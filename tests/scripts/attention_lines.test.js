import assert from "node:assert/strict";
import { test } from "node:test";

import { describeLines, linesOf } from "../../playground/tabs/attention/attention_lines.js";
import { ownMaximum, scaledColors, scaledTrace } from "../../playground/tabs/attention/weight_colors.js";

// Two heads of three tokens; 255 is a weight of 1.
const WEIGHTS = Uint8Array.from([255, 51, 204, 0, 5, 250, 255, 255, 0, 102, 102, 51]);
const places = (lines) => lines.map(({ head, query, key }) => [head, query, key].join());

test("there is a line for each weight that can be seen, the thickest last", () => {
  const lines = linesOf(WEIGHTS, 3, 3, [0], null);
  assert.deepEqual(places(lines), ["0,1,0", "0,1,1", "0,2,2", "0,0,0"]);
  assert.equal(lines[0].weight, 0.2);
});

test("of a word that is pointed at, its own lines alone are drawn, and fainter ones too", () => {
  assert.deepEqual(places(linesOf(WEIGHTS, 3, 3, [0], { side: "query", place: 2 })), ["0,2,1", "0,2,2"]);
  assert.deepEqual(places(linesOf(WEIGHTS, 3, 3, [0, 1], { side: "key", place: 2 })), ["1,2,2", "0,2,2"]);
});

test("where a text is cut, what is left has the same lines", () => {
  assert.deepEqual(places(linesOf(WEIGHTS, 3, 2, [1], null)), ["1,0,0", "1,1,0"]);
});

test("what lines say of a word is the mean over the heads, the strongest first", () => {
  const names = ["a", "b", "c"];
  const say = (word, heads) => describeLines(names, linesOf(WEIGHTS, 3, 3, heads, word), word, heads.length);
  assert.equal(say({ side: "query", place: 1 }, [0]), "“b” looks at “b” 0.80, “a” 0.20.");
  assert.equal(say({ side: "query", place: 1 }, [0, 1]), "“b” looks at “a” 0.60, “b” 0.40, on average over 2 heads.");
  assert.equal(say({ side: "key", place: 1 }, [1]), "“b” is looked at by “c” 0.40.");
  assert.equal(say({ side: "key", place: 0 }, []), "“a” is looked at by none of these tokens.");
});

const GREYS = Uint32Array.from({ length: 256 }, (_, i) => i);

test("a head's own maximum is that of the second half of the text", () => {
  assert.equal(ownMaximum(WEIGHTS, 0, 3), 250);
  assert.equal(ownMaximum(Uint8Array.from([255, 200, 55, 90, 85, 80]), 0, 3), 200);
  assert.equal(ownMaximum(Uint8Array.from([255, 200, 55, 90, 85, 80, 70, 65, 60, 60]), 0, 4), 90);
});

test("colours follow weights, weights up to the maximum, or their square root", () => {
  assert.equal(scaledColors(GREYS, "linear", () => 51)[51], 51);
  const own = scaledColors(GREYS, "own", () => 51);
  assert.deepEqual([own[0], own[51], own[255]], [0, 255, 255]);
  const root = scaledColors(GREYS, "root", () => 51);
  assert.deepEqual([root[0], root[64], root[255]], [0, 128, 255]);
});

test("the large picture has the same scale as the small ones", () => {
  const trace = {
    z: [[1, null, null], [0.9, 0.1, null], [0.2, 0.3, 0.4]], // prettier-ignore
    colorscale: /** @type {[number, string][]} */ ([[0, "black"], [0.5, "grey"], [1, "white"]]), // prettier-ignore
    zmax: 1,
  };
  assert.equal(scaledTrace(trace, "linear").zmax, 1);
  assert.equal(scaledTrace(trace, "own").zmax, 0.9);
  assert.deepEqual(scaledTrace(trace, "root").colorscale[1], [0.25, "grey"]);
});
