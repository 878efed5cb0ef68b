import assert from "node:assert/strict";
import { test } from "node:test";

import { comparable } from "../../playground/tabs/models/actions.js";
import { certaintyText, figureText, megabytes, shortCount } from "../../playground/tabs/models/amounts.js";
import { byFamily, firstShown, listed } from "../../playground/tabs/models/order.js";
import { scaleOf, scoreText } from "../../playground/tabs/models/standings.js";
import { depths, placesOf } from "../../playground/tabs/models/tree.js";

const family = (names, edges) => ({
  nodes: names.map((name) => ({ id: name, name, kind: "language model", here: true })),
  edges: edges.map(([from, to]) => ({ from, to, role: "parent" })),
});

test("a node stands right of its farthest ancestor", () => {
  const found = depths(
    family(
      ["ppo", "vocabulary", "base", "chat", "reward"],
      [
        ["vocabulary", "base"],
        ["base", "chat"],
        ["chat", "reward"],
        ["chat", "ppo"],
        ["reward", "ppo"],
      ],
    ),
  );
  assert.deepEqual(Object.fromEntries(found), { vocabulary: 0, base: 1, chat: 2, reward: 3, ppo: 4 });
});

test("a circle of parents, and a parent that is not there, are no trap", () => {
  const found = depths(
    family(
      ["a", "b", "c"],
      [
        ["a", "b"],
        ["b", "a"],
        ["gone", "c"],
      ],
    ),
  );
  assert.deepEqual(Object.fromEntries(found), { a: 2, b: 1, c: 0 });
});

test("children stand beside their parents, in the order of these, then of their names", () => {
  const tree = family(
    ["y child of b", "x child of b", "child of c", "child of a", "c", "b", "a", "alone"],
    [
      ["a", "child of a"],
      ["b", "y child of b"],
      ["b", "x child of b"],
      ["c", "child of c"],
    ],
  );
  const places = Object.fromEntries(placesOf(tree));
  assert.deepEqual(places, {
    a: { column: 0, row: 0 },
    alone: { column: 0, row: 1 },
    b: { column: 0, row: 2 },
    c: { column: 0, row: 3 },
    "child of a": { column: 1, row: 0 },
    "x child of b": { column: 1, row: 2 },
    "y child of b": { column: 1, row: 3 },
    "child of c": { column: 1, row: 4 },
  });
});

test("two nodes never have the same place", () => {
  const names = Array.from({ length: 8 }, (_, i) => `n${i}`);
  const edges = names.slice(1).map((name, i) => /** @type {[string, string]} */ ([names[i % 2], name]));
  const places = [...placesOf(family(names, edges)).values()].map(({ column, row }) => `${column} ${row}`);
  assert.equal(new Set(places).size, names.length);
});

test("a checkpoint is compared with others that can be read, a vocabulary with none", () => {
  const card = (name, kind = "chat model", trouble = "") => ({ name, kind, trouble });
  const cards = [card("a"), card("b"), card("c", "broken", "missing"), card("v", "vocabulary")];
  assert.deepEqual(
    comparable(cards[0], cards).map(({ name }) => name),
    ["b"],
  );
  assert.deepEqual(comparable(cards[3], cards), []);
});

test("amounts are short, figures have as many digits as say something", () => {
  assert.deepEqual([2_500_000, 1_200_000_000].map(megabytes), ["2.5 MB", "1.2 GB"]);
  assert.deepEqual([512, 12_345, 124_439_808].map(shortCount), ["512", "12k", "124.4M"]);
  assert.deepEqual(
    [
      [0.625, true],
      [2.01, false],
      [1.23456, false],
      [2000, false],
    ].map(([value, share]) => figureText(/** @type {any} */ ({ value, share }))),
    ["63 %", "2.01", "1.235", "2000"],
  );
});

test("a share says its interval and on how many cases it was counted, as far as that is known", () => {
  const share = { value: 0.61, share: true, count: 1574, of: "instructions", low: 0.586, high: 0.634 };
  assert.equal(certaintyText(share), "59 to 63 %, n = 1,574 instructions");
  assert.equal(certaintyText({ value: 0.6, share: true, count: 6, of: "plays" }), "n = 6 plays");
  assert.equal(certaintyText({ value: 0.6, share: true, count: 0, of: "" }), "n not noted");
  assert.equal(certaintyText({ value: 2, share: false }), "");
});

test("scores stand around 0, with all intervals in sight", () => {
  const one = { model: "a", score: 0.5, low: -1, high: 2, votes: 12, group: 0 };
  const scale = scaleOf([one, { ...one, score: -0.25, low: -1.5, high: 1 }]);
  assert.deepEqual([scale(0), scale(2), scale(-2)], [0.5, 1, 0]);
  assert.equal(scoreText(one), "+0.50 (−1.00 to +2.00), 12 votes");
  assert.equal(scoreText({ ...one, score: -0.5, votes: 1 }), "−0.50 (−1.00 to +2.00), 1 vote");
});

const card = (name, kind = "chat model", size = 1, trouble = "") => ({ name, kind, size, trouble });
const told = (found) => found.map(([{ name }, depth]) => `${"-".repeat(depth)}${name}`);

test("children stand below their parents; a circle, and a parent that is gone, lose nobody", () => {
  const cards = ["aligned", "chat", "other", "base", "x", "y"].map((name) => card(name));
  const edges = [
    ["base", "chat"],
    ["chat", "aligned"],
    ["gone", "other"],
    ["x", "y"],
    ["y", "x"],
  ].map(([from, to]) => ({ from, to, role: "parent" }));
  edges.push({ from: "other", to: "aligned", role: "reward model" });
  assert.deepEqual(told(byFamily(cards, edges)), ["other", "base", "-chat", "--aligned", "x", "-y"]);
});

test("a list is searched and sorted, and what cannot be read stands last", () => {
  const cards = [card("Late", "chat model", 1), card("broken", "broken", 9, "missing"), card("early", "classifier", 5)];
  const names = (wanted) => told(listed(cards, [], { sort: "latest", kind: "", text: "", ...wanted }));
  assert.deepEqual(names({}), ["Late", "early", "broken"]);
  assert.deepEqual(names({ sort: "family" }), ["Late", "early", "broken"]);
  assert.deepEqual(names({ sort: "name" }), ["early", "Late", "broken"]);
  assert.deepEqual(names({ sort: "size" }), ["early", "Late", "broken"]);
  assert.deepEqual(names({ text: " LA" }), ["Late"]);
  assert.deepEqual(names({ kind: "classifier", sort: "family" }), ["early"]);
});

test("the header's model is shown at first, else the first that can be read", () => {
  const cards = [card("broken", "broken", 9, "missing"), card("a"), card("b")];
  assert.equal(firstShown(cards, "b"), "b");
  assert.equal(firstShown(cards, "gone"), "a");
  assert.equal(firstShown(cards.slice(0, 1), ""), "broken");
  assert.equal(firstShown([], ""), "");
});
