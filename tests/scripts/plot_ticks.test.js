import assert from "node:assert/strict";
import { test } from "node:test";

import { labelPlaces, wholeTicks } from "../../assets/plot_ticks.js";

test("few whole numbers in sight have a tick each; of many Plotly chooses some, which are whole then", () => {
  assert.equal(wholeTicks([0, 2.1], false), 1);
  assert.equal(wholeTicks([7.9, 7.2], false), 1); // an axis may run downwards
  assert.equal(wholeTicks([0, 600], false), null);
});

test("a log axis has its decades, and more of their digits the fewer are in sight", () => {
  assert.deepEqual(
    [
      [0, 4],
      [0, 1.5],
      [1.1, 1.4],
    ].map((range) => wholeTicks(range, true)),
    [1, "D2", "D1"],
  );
});

const panel = { left: 0, top: 0, right: 600, bottom: 300 };
const line = (at, text = "a reference line, 1.23") => ({ text, upright: false, at, panel });

test("a label stands at the end above its line, and where another is there already, below or at the start", () => {
  const places = labelPlaces([line(100), line(104), line(106), line(200)]);
  assert.deepEqual(
    places.map(({ textposition, yanchor }) => `${textposition} ${yanchor}`),
    ["end bottom", "end top", "start bottom", "end bottom"],
  );
});

test("no label leaves its panel: at the upper edge it stands below its line", () => {
  assert.deepEqual(labelPlaces([line(3)]), [{ textposition: "end", yanchor: "top" }]);
});

test("two upright lines side by side have their labels at different heights, two that are apart have not", () => {
  const upright = (at) => ({ text: "a limit of KL", upright: true, at, panel });
  const heights = (lines) => labelPlaces(lines).map(({ textposition }) => textposition);
  assert.deepEqual(heights([upright(100), upright(110)]), ["end", "middle"]);
  assert.deepEqual(heights([upright(100), upright(400)]), ["end", "end"]);
});
