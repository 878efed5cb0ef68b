import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { ask, debounce, drawWhenRested, follow, latest, oneAtATime, poll, pollWhenSeen } from "../../assets/server.js";

const later = (value) => {
  let resolve;
  const promise = new Promise((done) => (resolve = () => done(value)));
  return { promise, resolve };
};

test("a call that fails, or that nobody answers, is an error in words", async () => {
  assert.match((await ask(Promise.reject(new Error("no")))).error, /does not answer/);
  assert.match((await ask(Promise.resolve(undefined))).error, /does not answer/);
  assert.deepEqual(await ask(Promise.resolve({ a: 1 })), { a: 1 });
});

test("only the answer to what was asked last counts, whichever comes first", async () => {
  const only = latest();
  const [first, second] = [later({ n: 1 }), later({ n: 2 })];
  const answers = [only(first.promise), only(second.promise)];
  second.resolve();
  first.resolve();
  assert.deepEqual(await Promise.all(answers), [undefined, { n: 2 }]);
});

test("work runs once at a time, and once more for all that was asked meanwhile", async () => {
  const runs = [];
  const run = oneAtATime(() => {
    const one = later();
    runs.push(one);
    return one.promise;
  });
  const first = run();
  run();
  run();
  assert.equal(runs.length, 1);
  runs[0].resolve();
  await first;
  assert.equal(runs.length, 2);
});

test("work that fails does not stop the next", async () => {
  let calls = 0;
  const run = oneAtATime(async () => {
    if (++calls === 1) throw new Error("no");
  });
  await assert.rejects(run());
  await run();
  assert.equal(calls, 2);
});

test("debounced work is done once, with what was said last", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const seen = [];
  const work = debounce((value) => seen.push(value), 100);
  work("a");
  mock.timers.tick(60);
  work("b");
  mock.timers.tick(99);
  assert.deepEqual(seen, []);
  mock.timers.tick(1);
  assert.deepEqual(seen, ["b"]);
  mock.timers.reset();
});

test("a poll looks again after as long as it was told, and ends when it is told nothing", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const waits = [10, 20, undefined];
  let looks = 0;
  poll(async () => waits[looks++]);
  const settle = () => new Promise((done) => setImmediate(done));
  await settle();
  mock.timers.tick(9);
  await settle();
  assert.equal(looks, 1);
  mock.timers.tick(1);
  await settle();
  assert.equal(looks, 2);
  mock.timers.tick(20);
  await settle();
  mock.timers.tick(1000);
  await settle();
  assert.equal(looks, 3);
  mock.timers.reset();
});

test("what Python has sent is drawn at once, and anew when it sends more", () => {
  const [props, seen] = [{ value: "" }, []];
  let changed;
  follow(
    props,
    (name, call) => (changed = name === "value" && call),
    (value) => seen.push(value),
  );
  assert.deepEqual(seen, []);
  props.value = { a: 1 };
  changed();
  assert.deepEqual(seen, [{ a: 1 }]);
});

const settle = () => new Promise((done) => setImmediate(done));

// A view's element in sight, and the props that Python changes.
function fakeView(value = null) {
  const marks = new Set();
  const classList = { add: (mark) => marks.add(mark), remove: (mark) => marks.delete(mark) };
  const props = { value };
  let changed = () => {};
  const send = (news) => {
    props.value = news;
    changed();
  };
  const watch = (_, call) => (changed = call);
  return { root: { isConnected: true, offsetParent: {}, classList }, marks, props, watch, send };
}

test("a newer value ends the looks for the older one, also the one that is under way", async () => {
  globalThis.document = { hidden: false };
  mock.timers.enable({ apis: ["setTimeout"] });
  const { root, props, watch, send } = fakeView("a");
  const [first, seen, looks] = [later(), [], []];
  pollWhenSeen(root, props, watch, (value) => async (signal) => {
    looks.push(value);
    if (value === "a") await first.promise;
    if (signal.aborted) return;
    seen.push(value);
    return 10;
  });
  send("b");
  first.resolve();
  await settle();
  mock.timers.tick(10);
  await settle();
  assert.deepEqual(
    [looks, seen],
    [
      ["a", "b", "b"],
      ["b", "b"],
    ],
  );
  root.offsetParent = null; // another tab was opened
  mock.timers.tick(10);
  await settle();
  mock.timers.tick(5000);
  await settle();
  assert.equal(looks.length, 3);
  root.offsetParent = {};
  mock.timers.tick(5000);
  await settle();
  assert.equal(looks.length, 4);
  mock.timers.reset();
});

test("a form that changes is stale until it rests, and the answer for an older one is none", async () => {
  globalThis.IntersectionObserver = class {
    observe() {}
  };
  mock.timers.enable({ apis: ["setTimeout"] });
  const { root, marks, props, watch, send } = fakeView("a");
  const [first, answers] = [later({ n: 1 }), []];
  drawWhenRested(root, props, watch, async (value, askFor) => {
    answers.push([value, await askFor(value === "a" ? first.promise : Promise.resolve({ n: 2 }))]);
  });
  assert.equal(marks.has("pg-stale"), false);
  send("b");
  assert.equal(marks.has("pg-stale"), true);
  first.resolve();
  await settle();
  assert.deepEqual(answers, [["a", undefined]]);
  assert.equal(marks.has("pg-stale"), true);
  mock.timers.tick(300);
  send("c");
  mock.timers.tick(399);
  await settle();
  assert.equal(answers.length, 1);
  mock.timers.tick(1);
  await settle();
  assert.deepEqual(answers.at(-1), ["c", { n: 2 }]);
  assert.equal(marks.has("pg-stale"), false);
  mock.timers.reset();
});
