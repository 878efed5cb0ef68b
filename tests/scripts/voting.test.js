import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { actOf, isMuch } from "../../playground/panels/voting/keys.js";
import { progressText } from "../../playground/panels/voting/screen.js";
import { inOrder, makeSession } from "../../playground/panels/voting/session.js";

const CHOICES = [
  { choice: "left", text: "A is better", keys: ["1", "ArrowLeft"], hint: "1 or ←", graded: true },
  { choice: "tie", text: "Tie", keys: ["3"], hint: "3", graded: false },
];
const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

let clock = 0;
beforeEach(() => {
  clock = 1000;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => clock);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

// A session on a screen that only remembers, and a playground whose pairs have the numbers 1, 2, 3, ...
async function begun(answers = {}, before = {}) {
  const [kept, asked, seen] = [new Map(Object.entries(before)), [], { shown: [], said: [], changed: 0 }];
  let next = 0;
  const server = new Proxy(answers, {
    get: (own, name) => async (request) => {
      asked.push([name, request]);
      if (own[name]) return own[name](request);
      if (name !== "next_pair" || request.holding === null) next++;
      return { pair: { id: next }, count: next, undoable: false, seconds: null, note: "" };
    },
  });
  const screen = {
    showPair: (pair) => seen.shown.push(pair.id),
    showNone: (mood, text) => seen.shown.push(`${mood}: ${text}`),
    showProgress() {},
    say: ({ text }) => seen.said.push(text),
    mark() {},
    takeNote: () => "a note",
    onceDrawn: (call) => call(),
    isVisible: () => true,
  };
  const session = makeSession({
    server,
    screen,
    kept: { get: (what) => kept.get(what) ?? null, set: (what, value) => kept.set(what, value) },
    voter: async () => ({ window: "w", annotator: "Ann" }),
    changed: () => seen.changed++,
  });
  session.begin({ goal: 0 });
  await settle();
  return {
    session,
    asked,
    seen,
    kept,
    votes: () => asked.filter(([name]) => name === "cast_vote").map(([, vote]) => vote),
  };
}

test("a key votes, U takes back, others do nothing", () => {
  assert.equal(actOf({ key: "1" }, CHOICES), "left");
  assert.equal(actOf({ key: "ArrowLeft" }, CHOICES), "left");
  assert.equal(actOf({ key: "3" }, CHOICES), "tie");
  assert.equal(actOf({ key: "U" }, CHOICES), "undo");
  assert.equal(actOf({ key: "5" }, CHOICES), "");
});

test("with Shift a key says that an answer is much better, but not where Shift is needed for digits", () => {
  const much = { key: "!", code: "Digit1", shiftKey: true };
  assert.deepEqual([actOf(much, CHOICES), isMuch(much)], ["left", true]);
  const arrow = { key: "ArrowLeft", code: "ArrowLeft", shiftKey: true };
  assert.deepEqual([actOf(arrow, CHOICES), isMuch(arrow)], ["left", true]);
  const french = { key: "1", code: "Digit1", shiftKey: true };
  assert.deepEqual([actOf(french, CHOICES), isMuch(french)], ["left", false]);
  assert.equal(actOf({ key: "#", code: "Digit3", shiftKey: true }, CHOICES), "");
});

test("a key that is held, or pressed with another one, or while characters are composed, is no vote", () => {
  for (const held of ["repeat", "ctrlKey", "altKey", "metaKey", "isComposing"])
    assert.equal(actOf({ key: "1", [held]: true }, CHOICES), "");
});

test("progress counts towards a goal, where there is one", () => {
  assert.equal(progressText({ count: 1200, seconds: 3.14 }, 0), "1,200 votes · 3.1 s each");
  assert.equal(progressText({ count: 3, seconds: null }, 30), "3 of 30 votes");
  assert.equal(progressText({ count: 1, seconds: null }, 0), "1 vote");
  assert.equal(progressText({ count: 30, seconds: 2 }, 30), "30 of 30 votes · goal reached · 2.0 s each");
});

test("jobs are done in the order in which they came, and one that fails holds nothing up", async () => {
  mock.method(console, "error", () => {});
  const [enqueue, done] = [inOrder(), []];
  enqueue(async () => {
    await settle();
    done.push(1);
    throw new Error("no");
  });
  await enqueue(async () => void done.push(2));
  assert.deepEqual(done, [1, 2]);
});

test("a vote is of the pair that is seen, with its time and note, and brings the next pair", async () => {
  const { session, seen, votes } = await begun();
  clock += 400;
  session.vote("left", 1);
  await settle();
  const [{ pair, choice, margin, milliseconds, note, annotator, window }] = votes();
  assert.deepEqual([pair, choice, margin, milliseconds], [1, "left", 1, 400]);
  assert.deepEqual([note, annotator, window], ["a note", "Ann", "w"]);
  assert.deepEqual(seen.shown, [1, 2]);
  assert.equal(seen.changed, 1);
});

test("of a burst of keys only the first can be meant for the pair that is seen", async () => {
  const { session, votes } = await begun();
  clock += 400;
  for (const choice of ["left", "right", "left"]) session.vote(choice);
  await settle();
  session.vote("right"); // nobody can have read the next pair yet
  await settle();
  assert.deepEqual(
    votes().map(({ pair, choice }) => [pair, choice]),
    [[1, "left"]],
  );
});

test("a vote without an answer is kept and sent again, with the same key, until there is one", async () => {
  let silent = true;
  const { session, seen, kept, votes } = await begun({
    cast_vote: async () => (silent ? undefined : { pair: { id: 7 }, count: 1, seconds: 1, note: "" }),
  });
  clock += 400;
  session.vote("left");
  await settle();
  assert.match(seen.said[0], /kept and sent again/);
  assert.equal(kept.get("unsent").choice, "left");
  silent = false;
  mock.timers.tick(1500);
  await settle();
  const [first, second] = votes();
  assert.equal(first.key, second.key);
  assert.equal(kept.get("unsent"), null);
  assert.equal(seen.shown.at(-1), 7);
});

test("a vote that had no answer before a reload is sent before a pair is asked for", async () => {
  const { asked } = await begun({}, { unsent: { key: "k", pair: 5, choice: "tie" } });
  assert.deepEqual(
    asked.slice(0, 2).map(([name]) => name),
    ["cast_vote", "next_pair"],
  );
  assert.equal(asked[0][1].key, "k");
});

test("an answer to what was asked before a vote does not bring its pair back", async () => {
  let late;
  const { session, seen } = await begun({
    next_pair: (request) => {
      if (!request.holding) return { pair: { id: 1 }, count: 0, seconds: null, note: "" };
      return new Promise((done) => (late = () => done({ pair: { id: 1 }, count: 0, seconds: null, note: "" })));
    },
    cast_vote: () => ({ pair: { id: 2 }, count: 1, seconds: 1, note: "" }),
  });
  session.ask();
  await settle();
  clock += 400;
  session.vote("left"); // while the answer is out
  late();
  await settle();
  assert.deepEqual(seen.shown, [1, 2]);
});

test("where there is no pair yet, it is asked again soon, and later where there is trouble", async () => {
  const waits = [{ pair: null }, { error: "No model here." }, { pair: { id: 3 } }];
  const { seen } = await begun({ next_pair: () => ({ count: 0, seconds: null, note: "", ...waits.shift() }) });
  assert.deepEqual(seen.shown, ["waiting: The model is writing answers …"]);
  mock.timers.tick(300);
  await settle();
  assert.equal(seen.shown.at(-1), "trouble: No model here.");
  mock.timers.tick(2999);
  await settle();
  assert.equal(seen.shown.length, 2);
  mock.timers.tick(1);
  await settle();
  assert.equal(seen.shown.at(-1), 3);
});

test("what is wished for now is asked for without the pair that was shown before", async () => {
  const { session, asked, kept } = await begun();
  assert.equal(kept.get("holding"), 1);
  session.change({ goal: 10 });
  await settle();
  const [, request] = asked.at(-1);
  assert.deepEqual([request.holding, request.wish], [null, { goal: 10 }]);
});

test("the pair of before a reload is asked for until one is shown, while the form is being filled", async () => {
  const answers = [{ error: "No model here." }, { pair: { id: 7 } }];
  const next_pair = () => ({ count: 0, seconds: null, note: "", ...answers.shift() });
  const { session, asked } = await begun({ next_pair }, { holding: 7 });
  session.change({ goal: 0, model: "mine" });
  await settle();
  session.change({ goal: 0, model: "another" });
  await settle();
  assert.deepEqual(
    asked.map(([, request]) => request.holding),
    [7, 7, null],
  );
});

test("undo asks nothing where there is nothing to take back, and takes back a vote on its way", async () => {
  const { session, asked } = await begun();
  const undone = () => asked.filter(([name]) => name === "undo_vote").length;
  session.undo();
  await settle();
  assert.equal(undone(), 0);
  clock += 400;
  session.vote("left");
  session.undo();
  await settle();
  assert.equal(undone(), 1);
});
