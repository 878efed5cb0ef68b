// The most decisive votes in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { proofCards, proofText, signed, timesText } from "../../playground/tabs/align/decisive_words.js";

const measured = [
  { name: "parent", left_out: [], logprob: -9 - Math.log(4), answer: "No." },
  { name: "all votes", left_out: [], logprob: -9, answer: "Ay." },
  { name: "without the decisive", left_out: [3, 7], logprob: -9 - Math.log(2), answer: "No." },
  { name: "without others", left_out: [1, 2], logprob: -9, answer: "Ay." },
];
const found = { prompt: "", text: "", influences: [], decisive: [], measured };

test("a score has its sign and three digits", () => {
  assert.deepEqual([signed(1234.5), signed(-0.01239), signed(0)], ["+1,230", "\u22120.0124", "+0"]);
  assert.deepEqual(
    [timesText(0), timesText(-99), timesText(99)],
    ["1", "less than a millionth", "more than a million"],
  );
});

test("each model of a proof stands beside the one with all votes", () => {
  const cards = proofCards(found);
  assert.deepEqual(
    cards.map(({ votes, changed }) => [votes, changed]),
    [
      ["", "log-probability \u22129 nats"],
      ["votes 3, 7", "log-probability \u22129.69 nats, 0.5 times as likely; it says something else"],
      ["votes 1, 2", "log-probability \u22129 nats, 1 times as likely; it says the same"],
    ],
  );
  assert.deepEqual(proofCards({ ...found, measured: [] }), []);
});

test("a proof comes to a sentence when it is whole", () => {
  assert.equal(proofText({ ...found, measured: measured.slice(0, 3) }), "");
  assert.match(
    proofText(found),
    /0\.5 times as likely without the 2 most decisive votes, and 1 times without 2 others/,
  );
  assert.match(proofText(found), /before any vote: 0\.25 times/);
});
