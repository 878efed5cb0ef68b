import assert from "node:assert/strict";
import { test } from "node:test";

import { placeOf, scrollFor } from "../../playground/tour/card_place.js";

const [card, view] = [
  { width: 400, height: 160 },
  { width: 1280, height: 800 },
];
const box = (left, top, width, height) => ({ left, top, right: left + width, bottom: top + height });
const phone = { width: 390, height: 844 };

test("the card stands right of what it explains, else left, below, above", () => {
  assert.deepEqual(placeOf(box(20, 100, 300, 400), card, view), { left: 332, top: 100, covered: 0 });
  assert.equal(placeOf(box(900, 100, 300, 400), card, view).left, 900 - 12 - 400);
  assert.equal(placeOf(box(20, 100, 1200, 300), card, view).top, 412);
  assert.equal(placeOf(box(20, 500, 1200, 280), card, view).top, 500 - 12 - 160);
});

test("it never leaves the window, and covers as little as can be of what fills it", () => {
  const { left, top, covered } = placeOf(box(0, -300, 1280, 900), card, view);
  assert.ok(left >= 12 && left + card.width <= 1268 && top >= 12 && top + card.height <= 788);
  assert.equal(covered, 0); // its lower edge is at 600
  assert.ok(placeOf(box(0, 0, 1280, 800), card, view).covered > 0);
});

test("on a phone it stands below or above", () => {
  const narrow = { width: 366, height: 200 };
  assert.equal(placeOf(box(10, 100, 370, 300), narrow, phone).top, 412);
  assert.equal(placeOf(box(10, 500, 370, 300), narrow, phone).top, 288);
});

test("what is in view beside the card stays; else it comes to the middle, or to the top if it is tall", () => {
  assert.equal(scrollFor(box(20, 100, 300, 400), card, view), null);
  assert.equal(scrollFor(box(20, 1200, 300, 100), card, view), "center");
  assert.equal(scrollFor(box(20, 1200, 1200, 500), card, view), "start");
});
