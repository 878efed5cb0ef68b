import assert from "node:assert/strict";
import { test } from "node:test";

import { verdictOf } from "../../playground/panels/stage_form/plan.js";

// In GB and seconds.
const PLAN = { peak: 2, room: 16, fits: true, device: "cuda", seconds: 120, busy: "" };

test("a plan says what is needed of what there is, where, and for how long", () => {
  assert.deepEqual(verdictOf(PLAN), ["Fits: 2.0 GB of 16.0 GB (GPU)", "about 2 min here"]);
  const [space, time] = verdictOf({ ...PLAN, peak: 30, fits: false, device: "cpu", busy: "nano-1" });
  assert.equal(space, "Does not fit: 30.0 GB of 16.0 GB (CPU)");
  assert.equal(time, "about 2 min here, after nano-1, which is being trained");
  assert.equal(verdictOf({ ...PLAN, peak: null })[0], "Memory on GPU is not planned");
});
