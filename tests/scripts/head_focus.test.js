import assert from "node:assert/strict";
import { test } from "node:test";

// What a page has and this place lacks: whether it is looked at, and who tells that something comes into sight.
globalThis.document = /** @type {any} */ ({ hidden: false });
const observed = [];
globalThis.IntersectionObserver = /** @type {any} */ (
  class {
    constructor(call) {
      observed.push(call);
    }
    observe() {}
  }
);
const { focus, focusedName, onFocus, onShown, setDisplay, setFocus, shownHead } =
  await import("../../assets/head_focus.js");

test("a view in sight follows at once, one out of sight once, when it comes into sight", () => {
  const [shown, hidden] = [
    { isConnected: true, offsetParent: {} },
    { isConnected: true, offsetParent: null },
  ];
  const seen = [];
  onFocus(/** @type {any} */ (shown), () => seen.push(`shown ${focus.head}`));
  onFocus(/** @type {any} */ (hidden), () => seen.push(`hidden ${focus.head}`));
  assert.deepEqual(seen, [], "nothing is drawn before there is a text");
  setFocus({ key: { model: "m", text: "t" }, head: 1 });
  setFocus({ head: 2 });
  assert.deepEqual(seen, ["shown 1", "shown 2"]);
  hidden.offsetParent = {};
  observed.forEach((call) => call());
  assert.deepEqual(seen, ["shown 1", "shown 2", "hidden 2"]);
  assert.equal(focusedName(), "layer 1, head 3");
});

test("a head that is pointed at is shown, without disturbing those that follow the one in focus", () => {
  const root = /** @type {any} */ ({ isConnected: true, offsetParent: {} });
  const seen = [];
  onFocus(root, () => seen.push("focus"));
  onShown(root, () => seen.push(`shown ${shownHead()}`));
  seen.length = 0;
  setDisplay({ pointed: [1, 0] });
  setDisplay({ pointed: null });
  setFocus({ head: 0 });
  assert.deepEqual(seen, ["shown 1,0", "shown 0,2", "focus", "shown 0,0"]);
});
