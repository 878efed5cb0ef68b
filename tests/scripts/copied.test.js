import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.localStorage ??= { getItem: () => null, setItem: () => {} };
const { countsText, facts, troubles } = await import("../../assets/copied.js");

const origin = { corpus: "my.txt", document: 3, documents: 12, line: 1204, title: "", act: "", scene: "", speaker: "" };

test("a quotation is told by play, act and scene, or by document and line", () => {
  const play = { title: "Hamlet", act: "ACT III", scene: "SCENE I", speaker: "HAMLET" };
  const length = ["length", "9 tokens"];
  assert.deepEqual(facts({ ...origin, ...play, tokens: 9, times: 1 }), [
    ["from", "Hamlet"],
    ["act", "ACT III"],
    ["scene", "SCENE I"],
    ["speaker", "HAMLET"],
    length,
    ["stands there", "once"],
  ]);
  const own = facts({ ...origin, tokens: 9, times: 3 });
  const often = ["stands there", "in 3 places, this is the first"];
  assert.deepEqual(own, [["from", "my.txt"], ["document", "3 of 12"], ["line", "1,204"], length, often]);
  assert.deepEqual(facts({ ...origin, documents: 1, tokens: 9, times: 1 })[1], ["line", "1,204"]);
});

const found = (who, copied, tokens, more = {}) => ({
  who,
  found: { pieces: [], copied, tokens, corpora: ["plays"], ...more },
});

test("the tokens of all texts of a writer are counted together", () => {
  const one = [found("a", 8, 1000), found("a", 0, 1234)];
  assert.equal(countsText(one), "a: 8 of 2,234 tokens stand in the text it learned from (plays)");
  const two = [found("a", 8, 10), found("b", 0, 5, { corpora: ["plays", "said.jsonl"] })];
  assert.equal(
    countsText(two),
    "a: 8 of 10 tokens · b: 0 of 5 tokens stand in the text they learned from (plays, said.jsonl)",
  );
});

test("what could not be searched is said once", () => {
  const gap = { gaps: ["gpt2 was not trained here"] };
  const error = { who: "b", found: { error: "The text has gone." } };
  assert.deepEqual(troubles([found("a", 0, 1, gap), found("a", 0, 1, gap), error, error]), [
    "Not searched: gpt2 was not trained here.",
    "b: The text has gone.",
  ]);
});
