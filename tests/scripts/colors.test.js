import assert from "node:assert/strict";
import { test } from "node:test";

import { colorTable, cssOf, readableOn } from "../../assets/colors.js";

test("a scale ends on its own colours and mixes those between", () => {
  const table = colorTable(["#000000", "#ff8000"]);
  assert.equal(table.length, 256);
  assert.equal(cssOf(table[0]), "rgb(0 0 0)");
  assert.equal(cssOf(table[255]), "rgb(255 128 0)");
  assert.equal(cssOf(table[51]), "rgb(51 26 0)");
});

test("a packed pixel is opaque, red first in memory", () => {
  const [pixel] = colorTable(["#123456", "#123456"]);
  assert.deepEqual([...new Uint8Array(Uint32Array.of(pixel).buffer)], [0x12, 0x34, 0x56, 255]);
});

test("text on a colour is black or white, whichever has the larger contrast (WCAG 2.1)", () => {
  const of = (hex) => readableOn(colorTable([hex, hex])[0]);
  assert.deepEqual(["#ffffff", "#000000", "#0072b2", "#e69f00", "#777777", "#737373"].map(of), [
    "#000",
    "#fff",
    "#fff",
    "#000",
    "#000",
    "#fff",
  ]);
});
