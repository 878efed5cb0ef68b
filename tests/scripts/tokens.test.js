import assert from "node:assert/strict";
import { test } from "node:test";

import { cutCharacters, spacedHex, unchanged, visible } from "../../assets/tokens.js";

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

test("tokens that are parts of one character are told which of its bytes they are", () => {
  const [one] = cutCharacters([hex("so"), "e4", "bb", "8a", hex(".")]);
  assert.deepEqual([one.first, one.end, one.text], [1, 4, "今"]);
  assert.deepEqual(
    one.parts.map((part) => part.words),
    ["byte 1 of 3 of 今", "byte 2 of 3 of 今", "byte 3 of 3 of 今"],
  );
  const [moon] = cutCharacters([hex(" ") + "f09f", "8c9d"]);
  assert.deepEqual(moon.parts[0], { short: "1–2/4", words: "bytes 1 to 2 of 4 of 🌝" });
  assert.deepEqual([moon.first, moon.end], [0, 2]);
});

test("a token with parts of two characters joins them in one bracket; whole ones and what is no text have none", () => {
  const [both] = cutCharacters(["e4bb", "8ae5", "a4a9"]);
  assert.deepEqual([both.text, both.parts[1].words], ["今天", "byte 3 of 3 of 今, byte 1 of 3 of 天"]);
  const two = cutCharacters(["e4bb", "8a", "e5a4", "a9"]);
  assert.deepEqual(
    two.map(({ first, end }) => [first, end]),
    [
      [0, 2],
      [2, 4],
    ],
  );
  assert.deepEqual(cutCharacters([hex("今天"), hex(" 🌝")]), []);
  assert.deepEqual(cutCharacters(["bb", "8a", "ff", "e4", hex("a")]), []);
  assert.deepEqual(cutCharacters([]), []);
});

test("tokens before the first that differs stay, but for those that may make a character with it", () => {
  const letters = [..."abcdefgh"];
  const never = () => false;
  assert.equal(unchanged(letters, letters, never), 8);
  assert.equal(unchanged(letters, [...letters, "i"], never), 5);
  assert.equal(unchanged([...letters, "i"], letters, never), 5);
  assert.equal(unchanged(letters, [..."abcdXfgh"], never), 1);
  assert.equal(unchanged(letters, [..."abX"], never), 0);
  assert.equal(unchanged(letters, [], never), 0);
  assert.equal(unchanged([], letters, never), 0);
  assert.equal(
    unchanged(letters, [...letters, "i"], (i) => i === 3 || i === 4),
    3,
  );
});
