import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { blankAnswer, extend, makeAnswers } from "../../playground/tabs/chat/answers.js";
import { makeComposer, objection, withToken } from "../../playground/tabs/chat/composer.js";
import { makeConversation } from "../../playground/tabs/chat/conversation.js";
import { isComparable, isOpen, noteOf } from "../../playground/tabs/chat/model_turn.js";
import { keepIn, makeTurns, writerOf } from "../../playground/tabs/chat/turns.js";
import { pickAfter, voteBetween } from "../../playground/tabs/chat/vote.js";

const HELD = { model: "bard-chat", draft: "" };
const DEFAULTS = { beside: "bard-base", temperature: 0.8 };
const storage = () => ({ getItem: () => null, setItem() {} });
const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

let [conversation, tree, seen] = [null, null, null];
beforeEach(() => {
  tree = makeTurns(keepIn(storage(), storage()));
  conversation = makeConversation(tree);
  conversation.hold(HELD);
  conversation.setDefaults(DEFAULTS);
  seen = { said: [], drawn: 0, updated: [], ends: 0 };
});

const screen = () => ({
  say: (sentence) => seen.said.push(sentence),
  draw: () => seen.drawn++,
  update: (answer) => seen.updated.push(answer.tokens.length),
  toEnd: () => seen.ends++,
});

// A playground that writes the answers `news`, one piece each time it is asked.
function playground(news) {
  const asked = [];
  const record = (name, respond) => async (request) => {
    asked.push([name, request]);
    return respond(request);
  };
  const server = {
    begin_answers: record("begin", ({ answers }) => ({ names: answers.map((_, i) => `answer-${i}`), seed: 7 })),
    more_of_answers: record("more", () => news.shift()),
    stop_answers: record("stop", () => ({})),
    vote_on_answers: record("vote", () => ({ pair: 5, vote: 9 })),
  };
  return { server, asked };
}

function composer(news, isAnswered = true) {
  const { server, asked } = playground(news);
  const shown = screen();
  const answers = makeAnswers(conversation, server, shown);
  const made = makeComposer({ conversation, answers, server, screen: shown, isAnswered: () => isAnswered });
  return { ...made, answers, asked };
}

const piece = (tokens, state, note = "") => ({ tokens, state, note, error: "", lead: "" });
const written = (...models) =>
  models.map((model) => ({ ...blankAnswer(model, [[1, 0.5, "41"]]), name: model, state: "finished" }));

test("both models answer a line; what they write comes in pieces until both have ended", async () => {
  const first = { "answer-0": piece([[1, 0.5, "41"]], "writing"), "answer-1": piece([], "writing") };
  const second = {
    "answer-0": piece([[2, 0.5, "42"]], "finished", "2 tokens"),
    "answer-1": piece([[3, 0.5, "43"]], "stopped"),
  };
  const { send, asked } = composer([{ answers: first }, { answers: second }]);
  assert.equal(send("Who?"), "");
  await settle();
  const { answers } = tree.leaf();
  assert.deepEqual(
    answers.map(({ model, tokens, state, seed }) => [model, tokens.length, state, seed]),
    [
      ["bard-chat", 2, "finished", 7],
      ["bard-base", 1, "stopped", 7],
    ],
  );
  assert.deepEqual(tree.messages(), [
    { role: "user", content: "Who?" },
    { role: "assistant", content: "AB" },
  ]);
  const [begin, , more] = asked.map(([, request]) => request);
  assert.deepEqual(begin.wish, { model: "bard-chat", beside: "bard-base", temperature: 0.8, dial: 1 });
  assert.deepEqual([begin.place, begin.messages], [[0, 0], [{ role: "user", content: "Who?" }]]);
  assert.deepEqual(more.known, { "answer-0": 1, "answer-1": 0 });
});

test("while the playground does not answer, that is said, and it is asked again", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const end = { answers: { "answer-0": piece([], "finished"), "answer-1": piece([], "finished") } };
  const { send } = composer([undefined, end]);
  send("Who?");
  await settle();
  assert.match(seen.said.at(-1), /does not answer/);
  mock.timers.tick(1500);
  await settle();
  assert.equal(seen.said.at(-1), "");
  assert.deepEqual(tree.writing(), []);
  mock.timers.reset();
});

test("an answer that nobody knows of any more has failed", () => {
  const answer = blankAnswer("bard-chat");
  extend(answer, null);
  assert.equal(answer.state, "failed");
  assert.match(answer.error, /restarted/);
});

test("nothing can be said without a model, while an answer is written, or where there is nothing to answer", () => {
  assert.equal(objection(conversation, "Who?", true), "");
  assert.match(objection(conversation, "", true), /^Write a line first, for the model/);
  const first = tree.add({ parent: null, role: "user", text: "Who?" });
  assert.equal(objection(conversation, "", true), "");
  const turn = tree.add({ parent: first.id, role: "assistant", answers: written("bard-chat"), pick: 0, vote: null });
  assert.match(objection(conversation, "", true), /the last answer is its own/);
  assert.equal(objection(conversation, "", false), "", "a base model goes on");
  turn.answers[0].state = "writing";
  assert.match(objection(conversation, "More", true), /is being written/);
  conversation.hold({ ...HELD, model: null });
  assert.match(objection(conversation, "More", true), /no model yet/);
});

test("a text that cannot be said stays in the box", () => {
  const { send, asked } = composer([]);
  assert.equal(send("  "), "  ");
  assert.deepEqual([asked, tree.leaf()], [[], null]);
});

test("what is being typed is read as said; else a model that answers reads what was to be answered", () => {
  const first = tree.add({ parent: null, role: "user", text: "Who?" });
  tree.add({ parent: first.id, role: "assistant", answers: written("bard-chat"), pick: 0, vote: null });
  assert.deepEqual(conversation.upcoming(true), [{ role: "user", content: "Who?" }]);
  assert.equal(conversation.upcoming(false).length, 2);
  conversation.hold({ ...HELD, draft: "More" });
  assert.deepEqual(conversation.upcoming(true).at(-1), { role: "user", content: "More" });
});

test("one model beside itself answers once", () => {
  assert.deepEqual(conversation.models(), ["bard-chat", "bard-base"]);
  conversation.choose({ beside: "bard-chat" });
  assert.deepEqual(conversation.models(), ["bard-chat"]);
  conversation.choose({ beside: "" });
  assert.deepEqual(conversation.models(), ["bard-chat"]);
});

test("a dial that is turned goes with the model of its header, which may then answer beside itself", () => {
  conversation.choose({ beside: "bard-chat", dial: 0.5, dialled: "bard-chat" });
  assert.deepEqual(conversation.writers(), [
    { model: "bard-chat", dial: 0.5 },
    { model: "bard-chat", dial: 1 },
  ]);
  const [mixed] = conversation.writers().map(({ model, dial }) => blankAnswer(model, [], "", dial));
  assert.equal(writerOf(mixed), "bard-chat (dial 0.5)");
  const [again] = withToken({ answers: [mixed] }, 0, 0, [9, 0.1, "5a"]);
  assert.equal(again.dial, 0.5, "another token is drawn by the same weights");
  assert.equal(voteBetween({ answers: [mixed] }, "tie", 0).sides[0].dial, 0.5);
  conversation.choose({ dialled: "bard-aligned" });
  assert.equal(conversation.settings().dial, 1, "of another model it says nothing");
  conversation.choose({ beside: "", dial: 1, dialled: "" });
  const early = makeConversation(makeTurns(keepIn(storage(), storage())));
  assert.equal(early.settings().dial, 1, "before it is known what the header and the controls hold");
});

test("with another token the answer is begun anew from there, and the one beside it stays", () => {
  const [left, right] = written("a", "b");
  Object.assign(left, {
    tokens: [
      [1, 0.9, "41"],
      [2, 0.8, "42"],
      [3, 0.7, "43"],
    ],
    lead: "H:\n",
  });
  const [begun, kept] = withToken({ answers: [left, right] }, 0, 1, [9, 0.1, "5a"]);
  assert.deepEqual(begun.tokens, [
    [1, 0.9, "41"],
    [9, 0.1, "5a"],
  ]);
  assert.deepEqual([begun.state, begun.given, begun.lead], ["writing", 2, "H:\n"]);
  assert.deepEqual(kept, right);
  assert.notEqual(kept, right, "a branch of its own");
  assert.equal(left.tokens.length, 3);
});

test("another token begins a branch, which is looked into", async () => {
  const { takeInstead, asked } = composer([{ answers: { "answer-0": piece([], "finished") } }]);
  const first = tree.add({ parent: null, role: "user", text: "Who?" });
  const turn = tree.add({ parent: first.id, role: "assistant", answers: written("a"), pick: 0, vote: null });
  takeInstead({ node: turn, lane: 0, answer: turn.answers[0], index: 0 }, [9, 0.1, "5a"]);
  await settle();
  assert.equal(tree.siblings(turn).length, 2);
  assert.equal(conversation.inspected().node, tree.leaf());
  const [begin, more] = asked.map(([, request]) => request);
  assert.deepEqual([begin.place, begin.answers], [[0, 1], [{ model: "a", dial: 1, written: [9] }]]);
  assert.deepEqual(more.known, { "answer-0": 0 }, "what it was begun with is not counted as written");
});

test("a vote tells both texts and the time it took, and takes back the one before", () => {
  const turn = { answers: written("a", "b"), pick: 0, since: 1000, vote: { choice: "tie", pair: 3, vote: 4 } };
  const sent = voteBetween(turn, "right", 3500.4);
  assert.deepEqual(
    sent.sides.map(({ text, model }) => [text, model]),
    [
      ["A", "a"],
      ["A", "b"],
    ],
  );
  assert.deepEqual([sent.pair, sent.vote, sent.choice, sent.milliseconds], [3, 4, "right", 2500]);
  assert.deepEqual([voteBetween({ ...turn, vote: null }, "left", 1000).vote], [0]);
});

test("the conversation goes on from the better answer; without one, from where it went on before", () => {
  const turn = { pick: 1 };
  assert.deepEqual(
    ["left", "right", "tie", "bad"].map((choice) => pickAfter(turn, choice)),
    [0, 1, 1, 1],
  );
});

test("answers can be compared when there are two, both have ended and both say something", () => {
  assert.ok(isComparable({ answers: written("a", "b") }));
  assert.ok(!isComparable({ answers: written("a") }));
  assert.ok(!isComparable({ answers: [...written("a"), blankAnswer("b")] }));
  assert.ok(!isComparable({ answers: [...written("a"), { ...blankAnswer("b"), state: "failed" }] }));
});

test("below an answer stands how it came about", () => {
  const answer = blankAnswer("a");
  assert.equal(noteOf(answer), "…");
  assert.equal(noteOf({ ...answer, state: "stopped", note: "3 tokens" }), "3 tokens · stopped");
});

test("an answer that was cut off goes on where it ended, drawn with other numbers", async () => {
  const { goOn, asked } = composer([{ answers: { "answer-0": piece([[2, 0.5, "42"]], "finished") } }]);
  const first = tree.add({ parent: null, role: "user", text: "Who?" });
  const [answer] = written("bard-chat");
  const turn = tree.add({
    parent: first.id,
    role: "assistant",
    answers: [{ ...answer, cut: true }],
    pick: 0,
    vote: null,
  });
  assert.ok(isOpen(turn.answers[0]));
  goOn(turn, 0);
  await settle();
  const [begin, more] = asked.map(([, request]) => request);
  assert.deepEqual([begin.place, begin.answers], [[0, 0, 1], [{ model: "bard-chat", dial: 1, written: [1] }]]);
  assert.deepEqual(more.known, { "answer-0": 0 }, "what it was begun with is not counted as written");
  assert.deepEqual(
    turn.answers[0].tokens.map(([id]) => id),
    [1, 2],
  );
  assert.equal(tree.siblings(turn).length, 1, "it is the same answer");
  assert.ok(!isOpen(turn.answers[0]), "the model has ended it");
});

test("what can be written further was begun, and not ended by the model", () => {
  const [answer] = written("a");
  assert.ok(!isOpen(answer));
  assert.ok(isOpen({ ...answer, cut: true }));
  assert.ok(isOpen({ ...answer, state: "stopped" }));
  assert.ok(!isOpen({ ...answer, state: "stopped", tokens: [] }));
});

test("a person's turn without an answer can be answered", async () => {
  const { answerThis, asked } = composer([
    { answers: { "answer-0": piece([[2, 0.5, "42"]], "finished"), "answer-1": piece([], "finished") } },
  ]);
  const first = tree.add({ parent: null, role: "user", text: "Who?" });
  assert.ok(tree.isUnanswered(first));
  const failed = { ...blankAnswer("bard-chat"), state: "failed" };
  tree.add({ parent: first.id, role: "assistant", answers: [failed], pick: 0, vote: null });
  assert.ok(tree.isUnanswered(first), "what failed says nothing");
  answerThis(first);
  assert.ok(!tree.isUnanswered(first), "it is being written");
  await settle();
  assert.deepEqual(asked[0][1].messages, [{ role: "user", content: "Who?" }]);
  assert.ok(!tree.isUnanswered(first));
});
