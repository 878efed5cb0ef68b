import assert from "node:assert/strict";
import { test } from "node:test";

const kept = new Map([["pg-annotator", "Ann"]]);
Object.defineProperty(globalThis, "document", { value: new EventTarget() });
Object.defineProperty(globalThis, "localStorage", {
  value: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) },
});
const votes = await import("../../assets/votes.js");

test("an annotator's name is the last window's at first, then this window's own", () => {
  let told = 0;
  votes.onAnnotatorName(() => told++);
  assert.equal(votes.annotatorName(), "Ann");
  votes.setAnnotatorName("Bob");
  assert.deepEqual([votes.annotatorName(), kept.get("pg-annotator"), told], ["Bob", "Bob", 1]);
  kept.set("pg-annotator", "somebody in another window");
  assert.equal(votes.annotatorName(), "Bob");
});

test("whoever shows votes hears that they have changed", () => {
  let told = 0;
  votes.onVotes(() => told++);
  votes.announceVotes();
  assert.equal(told, 1);
});
