import assert from "node:assert/strict";
import { test } from "node:test";

import { exactHeads } from "../../playground/tabs/attention/exact_heads.js";
import { trianglePixels, triangleRow, triangleSize } from "../../playground/tabs/attention/triangle.js";

const base64 = (numbers) => Buffer.from(numbers.buffer).toString("base64");

test("a triangle of T tokens has 1 + 2 + ... + T numbers", () => {
  assert.deepEqual([1, 2, 3, 128].map(triangleSize), [1, 3, 6, 8256]);
});

test("a row of one of several triangles is found by its offset", () => {
  const numbers = Uint8Array.from({ length: 12 }, (_, i) => i); // two heads of three tokens
  assert.deepEqual([...triangleRow(numbers, 0, 2, 3)], [3, 4, 5]);
  assert.deepEqual([...triangleRow(numbers, 1, 0, 3)], [6]);
  assert.deepEqual([...triangleRow(numbers, 1, 2, 3)], [9, 10, 11]);
});

test("the second head is painted row by row, and the future stays transparent", () => {
  const colors = Uint32Array.from({ length: 256 }, (_, i) => 1000 + i);
  const bytes = Uint8Array.from([0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 255]);
  assert.deepEqual([...trianglePixels(bytes, 1, 3, colors)], [1001, 0, 0, 1002, 1003, 0, 1004, 1005, 1255]);
});

// Two layers of two heads and two tokens: of each head what the second query gives to the first key, in sixteenths.
const SHARES = [4, 8, 12, 16];
const exact = Int32Array.from(SHARES.flatMap((share) => [65535, share * 4095, 65535 - share * 4095]));
const saved = {
  grid: { n_layer: 2, n_head: 2, tokens: ["a", "b"] },
  exact: base64(exact),
  figure: { data: [{ type: "heatmap", z: null }], layout: { title: { x: 0.02 } }, names: ["a", "b"] },
  titles: { head: "Layer {layer}, head {head}", layer: "Layer {layer}, mean", all: "Mean over all heads" },
};
const given = (figure) => figure.data[0].z[1][0] * 16;
const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-2, `${actual} is not ${expected}`);

test("the saved page answers with a head's exact weights under its title", async () => {
  const figure = await exactHeads(saved)({ layer: 1, head: 0, over: "head" });
  assert.deepEqual(figure.data[0].z[0], [1, null]);
  near(given(figure), 12);
  assert.deepEqual(figure.layout, { title: { x: 0.02, text: "Layer 2, head 1" } });
  assert.equal(saved.figure.data[0].z, null);
});

test("the saved page averages over a layer, and over all heads", async () => {
  const focusHead = exactHeads(saved);
  near(given(await focusHead({ layer: 1, head: 0, over: "layer" })), 14);
  const all = await focusHead({ layer: 0, head: 0, over: "all" });
  near(given(all), 10);
  assert.equal(all.layout.title.text, "Mean over all heads");
});
