import assert from "node:assert/strict";
import { test } from "node:test";

import { COLUMNS, sorted } from "../../playground/panels/live_run/runs.js";
import { possible, stateWord } from "../../playground/panels/live_run/steer.js";

const row = (name, best, seconds = null) => ({ name, best, seconds, title: "", state: "", step: 0, settings: {} });
const BEST = 4; // the column

test("runs are sorted by what a column means, those without a loss last", () => {
  const rows = [row("b", null), row("c", 2.5), row("a", 2.25)];
  const names = (column, down) => sorted(rows, column, down).map(({ name }) => name);
  assert.deepEqual(names(-1, false), ["b", "c", "a"]);
  assert.deepEqual(names(0, false), ["a", "b", "c"]);
  assert.deepEqual(names(BEST, false), ["a", "c", "b"]);
  assert.deepEqual(names(BEST, true), ["b", "c", "a"]);
});

test("only what can be done can be pressed", () => {
  const can = (state, active, asked = "") =>
    Object.entries(possible({ state, active, asked }))
      .filter(([, able]) => able)
      .map(([action]) => action);
  assert.deepEqual(can("running", true), ["pause", "stop"]);
  assert.deepEqual(can("running", true, "resume"), ["pause", "stop"]);
  assert.deepEqual(can("paused", true), ["resume", "stop"]);
  assert.deepEqual(can("paused", true, "pause"), ["resume", "stop"]);
  assert.deepEqual(can("running", true, "stop"), []);
  assert.deepEqual(can("interrupted", false), ["resume"]);
  assert.deepEqual(can("queued", false), ["stop"]);
  assert.deepEqual(can("finished", false), []);
});

test("what a run was asked for shows before it obeys", () => {
  assert.equal(stateWord({ state: "running", active: true, asked: "stop" }), "stopping …");
  assert.equal(stateWord({ state: "running", active: true, asked: "pause" }), "pausing …");
  assert.equal(stateWord({ state: "paused", active: true, asked: "pause" }), "paused");
  assert.equal(stateWord({ state: "stopped", active: false, asked: "stop" }), "stopped");
});

test("a run's line says in which settings it differs, and what of it cannot be read", () => {
  const said = (settings, trouble) => COLUMNS.at(-1)[1]({ settings, trouble });
  assert.equal(said({ seed: 2, init_from: "a/b" }, ""), "seed 2, init_from b");
  assert.equal(said({}, "left out of metrics.jsonl: 1 damaged line"), "left out of metrics.jsonl: 1 damaged line");
  assert.equal(said({ seed: 2 }, "run.json is damaged"), "seed 2; run.json is damaged");
});
