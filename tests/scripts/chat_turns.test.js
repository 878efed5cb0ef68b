import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { json, markdown } from "../../playground/tabs/chat/export.js";
import { keepIn, makeTurns, textOf } from "../../playground/tabs/chat/turns.js";

const hexOf = (text) => Buffer.from(text).toString("hex");
const answer = (text, more = {}) => ({
  ...{ model: "bard", seed: 0, lead: "", given: 0, name: "n1", state: "finished", note: "", error: "" },
  tokens: text ? [[1, 0.5, hexOf(text)]] : [],
  ...more,
});
const said = (parent, text) => ({ parent, role: "user", text });
const answered = (parent, ...answers) => ({ parent, role: "assistant", answers, pick: 0, vote: null });

function storage(kept = {}, room = Infinity) {
  const all = new Map(Object.entries(kept));
  return {
    getItem: (key) => all.get(key) ?? null,
    setItem(key, value) {
      if (value.length > room) throw new Error("QuotaExceededError");
      all.set(key, value);
    },
  };
}

let tree;
beforeEach(() => {
  tree = makeTurns(keepIn(storage(), storage()));
});
const ids = (turns) => turns.map(({ id }) => id);

test("what was said last is the end of the path from the first turn", () => {
  assert.equal(tree.leaf(), null);
  const first = tree.add(said(null, "Who?"));
  const second = tree.add(answered(first.id, answer("I.")));
  assert.deepEqual(ids(tree.path()), [first.id, second.id]);
  assert.equal(tree.leaf(), second);
  assert.equal(tree.parent(second), first);
  assert.equal(tree.parent(first), null);
});

test("a turn that is kept is the one that is written into", () => {
  const turn = tree.add(answered(null, answer("")));
  turn.pick = 1;
  assert.equal(tree.path()[0].pick, 1);
});

test("each place for a turn is told from every other by the branches that lead to it", () => {
  assert.deepEqual(tree.placeBelow(null), [0]);
  const first = tree.add(said(null, "Who?"));
  assert.deepEqual(tree.placeBelow(first.id), [0, 0]);
  tree.add(answered(first.id, answer("I.")));
  const other = tree.add(answered(first.id, answer("Thou.")));
  assert.deepEqual(tree.placeBelow(first.id), [0, 2], "another answer");
  assert.deepEqual(tree.placeBelow(other.id), [0, 1, 0], "the next turn");
});

test("a turn in place of another begins a branch; showing the other leads to its latest end", () => {
  const first = tree.add(said(null, "Who?"));
  const reply = tree.add(answered(first.id, answer("I.")));
  const more = tree.add(said(reply.id, "And then?"));
  const other = tree.add(answered(first.id, answer("Thou.")));
  assert.deepEqual(ids(tree.path()), [first.id, other.id]);
  assert.deepEqual(ids(tree.siblings(reply)), [reply.id, other.id]);
  assert.deepEqual(ids(tree.children(null)), [first.id]);
  tree.show(reply);
  assert.equal(tree.leaf(), more);
});

test("of two ends below a turn, showing it leads to the later one", () => {
  const first = tree.add(said(null, "Who?"));
  tree.add(answered(first.id, answer("I.")));
  const later = tree.add(answered(first.id, answer("Thou.")));
  tree.goTo(first);
  tree.show(first);
  assert.equal(tree.leaf(), later);
});

test("going on from an earlier turn hides what came after it, and loses nothing", () => {
  const first = tree.add(said(null, "Who?"));
  const reply = tree.add(answered(first.id, answer("I.")));
  const more = tree.add(said(reply.id, "And then?"));
  tree.goTo(reply);
  assert.deepEqual(ids(tree.path()), [first.id, reply.id]);
  assert.deepEqual(ids(tree.children(reply.id)), [more.id]);
});

test("a model is told the answers that were picked, and none that say nothing", () => {
  const first = tree.add(said(null, "Who?"));
  const pair = tree.add(answered(first.id, answer("I."), answer("Thou.")));
  pair.pick = 1;
  const silent = tree.add(answered(pair.id, answer(" \n")));
  tree.add(said(silent.id, "Speak."));
  const told = tree.messages();
  assert.deepEqual(told, [
    { role: "user", content: "Who?" },
    { role: "assistant", content: "Thou." },
    { role: "user", content: "Speak." },
  ]);
  assert.deepEqual(tree.messages(first.id), told.slice(0, 1));
  assert.deepEqual(tree.messages(null), []);
});

test("answers that have no end yet are found on every branch", () => {
  const first = tree.add(said(null, "Who?"));
  const hidden = tree.add(answered(first.id, answer("I", { state: "writing" }), answer("Thou.")));
  tree.add(answered(first.id, answer("He.")));
  assert.deepEqual(tree.writing(), [hidden.answers[0]]);
});

test("a cleared conversation begins anew", () => {
  tree.add(said(null, "Who?"));
  tree.clear();
  assert.deepEqual([tree.path(), tree.leaf(), tree.children(null)], [[], null, []]);
  assert.equal(tree.add(said(null, "Again.")).id, 1);
});

test("a reload brings this window's own conversation back, a new window the latest one", () => {
  const [own, latest] = [storage(), storage()];
  const turns = makeTurns(keepIn(own, latest));
  turns.add(said(null, "Mine"));
  assert.equal(turns.save(), true);
  const elsewhere = makeTurns(keepIn(storage(), latest));
  assert.equal(elsewhere.leaf().text, "Mine");
  elsewhere.add(said(1, "Theirs"));
  elsewhere.save();
  assert.equal(makeTurns(keepIn(own, latest)).leaf().text, "Mine");
});

test("a new conversation has another name, and the settings of the one before; a reload brings both back", () => {
  const own = storage();
  const turns = makeTurns(keepIn(own, storage()));
  turns.add(said(null, "Who?"));
  turns.choose({ temperature: 0.4 });
  turns.choose({ persona: "HAMLET" });
  const before = turns.id();
  turns.clear();
  turns.save();
  assert.notEqual(turns.id(), before);
  assert.ok(turns.isEmpty());
  const again = makeTurns(keepIn(own, storage()));
  assert.equal(again.id(), turns.id());
  assert.deepEqual(again.settings(), { temperature: 0.4, persona: "HAMLET" });
});

test("a conversation of an earlier version, which has no name, gets one", () => {
  const kept = JSON.stringify({ nodes: { 1: { id: 1, ...said(null, "Old") } }, leaf: 1, next: 2 });
  const turns = makeTurns(keepIn(storage({ "pg-conversation": kept }), storage()));
  assert.equal(turns.leaf().text, "Old");
  assert.ok(turns.id());
  assert.deepEqual([turns.settings(), turns.known()], [{}, []]);
});

test("what was sent may be what is kept, until that is heard; of many it remembers the first and the latest", () => {
  tree.kept("a", "r0");
  for (let i = 1; i < 30; i++) tree.sending(`r${i}`);
  assert.deepEqual(tree.known().slice(0, 1), ["r0"]);
  assert.equal(tree.known().at(-1), "r29");
  assert.ok(tree.known().length < 12);
  tree.kept("b", "r30");
  assert.deepEqual([tree.id(), tree.known()], ["b", ["r30"]]);
});

test("what the browser has no room for, or did not write, is no conversation", () => {
  const turns = makeTurns(keepIn(storage({}, 10), storage()));
  turns.add(said(null, "long"));
  assert.equal(turns.save(), false);
  for (const kept of ["{", '"text"', '{"nodes": {}}']) {
    const found = makeTurns(keepIn(storage({ "pg-conversation": kept }), storage()));
    assert.equal(found.leaf(), null);
    assert.equal(found.add(said(null, "Who?")).id, 1);
  }
});

test("an answer that had not been begun when the page was reloaded has failed; one that was is waited for", () => {
  const begun = answer("", { state: "writing" });
  const unheard = answer("", { state: "writing", name: null });
  const kept = JSON.stringify({ nodes: { 1: { id: 1, ...answered(null, begun, unheard) } }, leaf: 1, next: 2 });
  const turns = makeTurns(keepIn(storage({ "pg-conversation": kept }), storage()));
  const [first, second] = turns.leaf().answers;
  assert.equal(first.state, "writing");
  assert.equal(second.state, "failed");
  assert.match(second.error, /reloaded before this was begun/);
});

test("an answer's text is what its tokens' bytes say together, as far as its characters are complete", () => {
  const pieces = [
    [1, 0.5, "c3"],
    [2, 0.5, "a9"],
    [3, 0.5, "f0"],
  ];
  assert.equal(textOf({ lead: "H:\n", tokens: pieces.slice(0, 1) }), "H:\n");
  assert.equal(textOf({ lead: "H:\n", tokens: pieces }), "H:\né");
});

test("a file of Markdown shows what was said as it stands", () => {
  const path = [
    { id: 1, ...said(null, "<b>*Who*</b>\n# is it?") },
    { id: 2, ...answered(1, answer("I."), answer("Not I.")), pick: 1 },
  ];
  const expected =
    "# Conversation\n\n**You**\n\n> \\<b\\>\\*Who\\*\\</b\\>  \n> \\# is it?  \n\n**bard**\n\n> Not I\\.  \n";
  assert.equal(markdown(path), expected);
});

test("a file of JSON is one line of messages, each answer with its model, and the settings", () => {
  const path = [
    { id: 1, ...said(null, " Who?\n") },
    { id: 2, ...answered(1, answer("I.")) },
  ];
  const line = json(path, { temperature: 0.8 });
  assert.ok(line.endsWith("\n") && line.trim().split("\n").length === 1);
  assert.deepEqual(JSON.parse(line), {
    messages: [
      { role: "user", content: "Who?" },
      { role: "assistant", content: "I.", model: "bard" },
    ],
    settings: { temperature: 0.8 },
  });
});
