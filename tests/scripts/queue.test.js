import assert from "node:assert/strict";
import { test } from "node:test";

import { actionsOf } from "../../playground/panels/live_run/queue.js";

const waiting = (kind, asks = false) => ({ name: "mine", kind, why: "", asks });
const enabled = (run, place, count) =>
  actionsOf(run, place, count)
    .filter((one) => one.enabled)
    .map(({ action }) => action);

test("one that waits can be moved as far as there is room, and removed", () => {
  assert.deepEqual(enabled(waiting("device"), 0, 1), ["remove"]);
  assert.deepEqual(enabled(waiting("order"), 0, 3), ["down", "remove"]);
  assert.deepEqual(enabled(waiting("order"), 1, 3), ["up", "down", "remove"]);
  assert.deepEqual(enabled(waiting("model"), 2, 3), ["up", "remove"]);
});

test("one that asks can be answered, and only one that does not fit can be made to fit", () => {
  assert.deepEqual(enabled(waiting("memory", true), 0, 1), ["fit", "anyway", "remove"]);
  assert.deepEqual(enabled(waiting("ended", true), 0, 1), ["anyway", "remove"]);
});

test("each button says of which run it speaks", () => {
  assert(actionsOf(waiting("memory", true), 0, 2).every(({ title }) => title.includes("mine")));
});
