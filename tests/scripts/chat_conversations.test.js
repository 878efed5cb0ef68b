import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { aboutText } from "../../playground/tabs/chat/context.js";
import { makeConversation } from "../../playground/tabs/chat/conversation.js";
import { makeExchange } from "../../playground/tabs/chat/exchange.js";
import { makeKeeper } from "../../playground/tabs/chat/keeping.js";
import { amount, honestLine, onButton } from "../../playground/tabs/chat/starters.js";
import { keepIn, makeTurns } from "../../playground/tabs/chat/turns.js";

// The views share the conversation of their window, which begins with what the browser has kept.
Object.assign(globalThis, { sessionStorage: { getItem: () => null }, localStorage: { getItem: () => null } });
const { entryText, openedText, restText, timeText } = await import("../../playground/tabs/chat/conversations.js");
const { besideChoices, summary } = await import("../../playground/tabs/chat/manner.js");
const { isChosen } = await import("../../playground/tabs/chat/settings.js");

const storage = () => ({ getItem: () => null, setItem() {} });
const line = (text) => ({ parent: null, role: "user", text });

let [conversation, tree, said] = [null, null, []];
beforeEach(() => {
  tree = makeTurns(keepIn(storage(), storage()));
  conversation = makeConversation(tree);
  conversation.hold({ model: "bard-chat", draft: "" });
  conversation.setDefaults({ temperature: 0.8, beside: "" });
  said = [];
});

// A playground that keeps what it is sent, and answers with what `respond` makes of it.
function keeper(respond = ({ id }) => ({ id })) {
  const sent = [];
  const keep_conversation = async (request) => {
    sent.push(structuredClone(request));
    return respond(request);
  };
  return { sent, keep: makeKeeper(conversation, { keep_conversation }, (sentence) => said.push(sentence)) };
}

test("an empty conversation is not kept; another one is, with its model and settings", async () => {
  const { sent, keep } = keeper();
  await keep();
  assert.deepEqual(sent, []);
  tree.add(line("Who?"));
  assert.deepEqual(await keep(), { error: "", note: "" });
  assert.deepEqual(sent[0].content.settings, { temperature: 0.8, beside: "", model: "bard-chat", dial: 1 });
  assert.equal(sent[0].content.tree.nodes[1].text, "Who?");
  assert.deepEqual(sent[0].known, []);
  assert.deepEqual(tree.known(), [sent[0].revision]);
});

test("what changes while it is being kept is kept afterwards, once, and nobody goes on before that", async () => {
  const { sent, keep } = keeper();
  tree.add(line("Who?"));
  keep();
  await null; // it has been sent
  tree.add(line("What?"));
  keep();
  tree.add(line("Where?"));
  await keep();
  assert.deepEqual(
    sent.map(({ content }) => Object.keys(content.tree.nodes).length),
    [1, 3],
  );
  assert.deepEqual(sent[1].known, [sent[0].revision]);
});

test("where another window has gone on, this one goes on with a copy, and says so", async () => {
  const { keep } = keeper(() => ({ id: "copy" }));
  tree.add(line("Who?"));
  const { note } = await keep();
  assert.equal(tree.id(), "copy");
  assert.match(note, /kept as a copy/);
  assert.deepEqual(said, [note]);
});

test("an answer that is not heard leaves both states possible", async () => {
  const { sent, keep } = keeper(() => undefined);
  tree.kept("a", "before");
  tree.add(line("Who?"));
  const { error } = await keep();
  assert.match(error, /does not answer/);
  assert.deepEqual(tree.known(), ["before", sent[0].revision]);
});

function exchange(keep) {
  const used = [];
  const screen = { say: (sentence) => said.push(sentence), draw() {}, toEnd() {}, update() {} };
  const answers = { stop() {}, listen() {} };
  return { used, ...makeExchange({ conversation, answers, keep, screen, useModel: (name) => used.push(name) }) };
}

test("a kept conversation takes the place of this one, with its settings and its model", async () => {
  const { replace, used } = exchange(async () => ({ error: "", note: "" }));
  const nodes = { 1: { id: 1, parent: null, role: "user", text: "Then?" } };
  const content = { tree: { nodes, leaf: 1, next: 2 }, settings: { temperature: 0.4, model: "bard-base" } };
  assert.equal(await replace("b", content, "r1", "bard-base"), true);
  assert.deepEqual([tree.id(), tree.known(), tree.leaf().text], ["b", ["r1"], "Then?"]);
  assert.deepEqual(conversation.settings(), { temperature: 0.4, beside: "", model: "bard-chat", dial: 1 });
  assert.deepEqual(used, ["bard-base"], "the header follows");
  await replace("b", content, "r1", "");
  assert.equal(used.length, 1, "a model that is gone is not asked for");
  assert.match(openedText("The watch", "bard-base", ""), /bard-base is not there any more/);
  assert.equal(openedText("The watch", "bard-base", "bard-base"), "The watch is open.");
});

test("what is not kept is not left at the first press", async () => {
  const { clear } = exchange(async () => ({ error: "The disk is full.", note: "" }));
  tree.add(line("Who?"));
  assert.equal(await clear(), false);
  assert.match(said.at(-1), /^The disk is full\. .* press again/);
  assert.ok(!tree.isEmpty());
  assert.equal(await clear(), true);
  assert.ok(tree.isEmpty());
});

test("a setting that was changed is kept once it rests", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let rests = 0;
  conversation.onRest(() => rests++);
  for (const temperature of [0.1, 0.2, 0.3]) conversation.choose({ temperature });
  assert.equal(conversation.settings().temperature, 0.3);
  assert.equal(rests, 0);
  mock.timers.tick(1000);
  assert.equal(rests, 1);
  mock.timers.reset();
});

test("nothing answers before it is known what the header and the controls hold", () => {
  const fresh = makeConversation(tree);
  fresh.hold({ model: "bard-chat", draft: "" });
  assert.equal(fresh.model(), null);
  fresh.setDefaults({});
  assert.equal(fresh.model(), "bard-chat");
});

test("an entry says its model, its length and when it changed, or that it cannot be read", () => {
  const entry = { model: "bard", turns: 1200, changed: "2026-01-12T12:04:05+00:00", damaged: false };
  assert.match(entryText(entry), /^bard · 1,200 turns · 1[123] Jan 2026$/);
  assert.match(entryText({ ...entry, model: "", turns: 1 }), /^1 turn · /);
  assert.match(timeText(entry.changed, new Date(entry.changed)), /^\d\d:\d4$/);
  assert.match(entryText({ ...entry, damaged: true }), /cannot be read/);
});

test("a list that is not all says so", () => {
  assert.equal(restText(3, 3), "");
  assert.match(restText(100, 1230), /latest 100 of 1,230/);
});

test("a preset is chosen while all that it sets is as it sets it", () => {
  const preset = { name: "", about: "", values: { temperature: 0.4, top_p: 0.9 } };
  assert.ok(isChosen(preset, { temperature: 0.4, top_p: 0.9, seed: 3 }));
  assert.ok(!isChosen(preset, { temperature: 0.4, top_p: 1 }));
});

test("one line says who answers, beside whom, in whose voice; a model that is gone is still named", () => {
  const settings = { model: "bard-chat", beside: "", persona: "", system: " " };
  assert.equal(summary(settings), "bard-chat · no second model · nobody in particular · change");
  assert.equal(
    summary({ model: null, beside: "b", persona: "HAMLET", system: "Be brief." }),
    "no model · beside b · speaks as HAMLET · a system text · change",
  );
  assert.deepEqual(
    besideChoices(["a"], "b").map(([value]) => value),
    ["", "a", "b"],
  );
  assert.match(besideChoices(["a"], "b")[2][1], /not there any more/);
});

test("how much is to be expected of a model is said with the number of its weights", () => {
  assert.deepEqual([6_670_848, 124_439_808, 1.5e9, 12_345].map(amount), ["6.7M", "124M", "1.5B", "12.3k"]);
  const reading = { model: "m", weights: 6_670_848, plays: true };
  assert.equal(honestLine(reading), "6.7M weights: it has learned how Shakespeare sounds, not what you mean.");
  assert.match(honestLine({ ...reading, plays: false }), /how its training texts sound/);
  assert.equal(onButton('Do you love me?\n\nAnswer: begin with "No".\n'), 'Do you love me? Answer: begin with "No".');
  assert.match(aboutText({ model: "m", answers: false, offer: "n" }), /^m is a base model: it continues your text/);
});
