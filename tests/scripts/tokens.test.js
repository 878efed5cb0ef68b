import assert from "node:assert/strict";
import { test } from "node:test";

import { spacedHex, visible } from "../../assets/tokens.js";

const hex = (text) => Buffer.from(text, "utf8").toString("hex");

test("a token that is text is shown as that text", () => {
  assert.deepEqual(visible(hex(" wind")), { text: " wind", raw: false });
  assert.deepEqual(visible(hex("今\n")), { text: "今\n", raw: false });
});

test("a part of a character is shown as its bytes, readable ones as letters", () => {
  assert.deepEqual(visible("f09f"), { text: "\\xf0\\x9f", raw: true });
  assert.deepEqual(visible("e461"), { text: "\\xe4a", raw: true });
});

test("what nobody can see is shown as its code", () => {
  assert.deepEqual(visible(hex("a\u200bb")), { text: "aU+200Bb", raw: true });
  assert.deepEqual(visible(hex("\u0301")), { text: "U+0301", raw: true });
  assert.deepEqual(visible(hex("e\u0301")), { text: "e\u0301", raw: false });
});

test("bytes are spaced two and two", () => {
  assert.equal(spacedHex("f09f8e"), "f0 9f 8e");
});
