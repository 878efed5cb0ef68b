import assert from "node:assert/strict";
import { test } from "node:test";

import {
  gridLayout,
  largeLayout,
  namesOf,
  shapesOf,
  tracesOf,
  tracesOfOther,
} from "../../playground/panels/live_run/figure.js";
import { extendLog, newLog } from "../../playground/panels/live_run/log.js";
import { linesInSight, linesOf, panelsOf, publishedFor } from "../../playground/panels/live_run/panels.js";

const logOf = (columns) => extendLog(newLog(), { columns, means: {} });
const curve = (metric, more = {}) => ({
  metric,
  name: metric,
  color: "#000000",
  smooth: false,
  markers: false,
  ...more,
});
const panel = (key, metrics, more = {}) => ({
  ...{ key, title: key, curves: metrics.map((metric) => curve(metric)), log: false, zero: true, tickformat: "~s" },
  ...more,
});
const FIGURE = {
  panels: [panel("loss", ["loss/train", "loss/val"]), panel("kl", ["kl/val"], { of: ["dpo"] }), panel("lr", ["lr"])],
  others: ["#111111", "#222222"],
  references: { uniform: "ln V" },
  published: [{ corpus: "tiny", name: "nanoGPT", bits_per_byte: 2.12, source: "its README" }],
};
const keys = (panels) => panels.map(({ key }) => key);

test("there is a panel for what the log has, in the figure's order, with the curves that have points", () => {
  const panels = panelsOf(logOf({ step: [1, 2], lr: [1, 1], "loss/val": [null, null], "loss/train": [3, 2] }), FIGURE);
  assert.deepEqual(keys(panels), ["loss", "lr"]);
  assert.deepEqual(
    panels[0].curves.map(({ metric }) => metric),
    ["loss/train"],
  );
});

test("a panel of the stage has its place before its first point", () => {
  const log = logOf({ step: [1], "loss/train": [3] });
  assert.deepEqual(keys(panelsOf(log, FIGURE, "dpo")), ["loss", "kl"]);
  assert.deepEqual(keys(panelsOf(log, FIGURE, "sft")), ["loss"]);
});

test("a metric that nobody has named has a panel of its own: of evaluations with markers, else smoothed", () => {
  const log = logOf({
    step: [1, 2, 3, 4],
    "loss/train": [4, 3, 2, 1],
    tone: [1, 2, 3, 4],
    mood: [null, null, null, 5],
  });
  const [, tone, mood] = panelsOf(log, FIGURE);
  assert.deepEqual([tone.key, tone.curves[0].smooth, tone.curves[0].markers], ["tone", true, false]);
  assert.deepEqual([mood.key, mood.curves[0].smooth, mood.curves[0].markers], ["mood", false, true]);
  assert.equal(tone.curves[0].color, "#111111");
});

test("without a log the first panel stands there, empty", () => {
  const [only, ...others] = panelsOf(newLog(), FIGURE);
  assert.deepEqual([only.key, only.curves, others], ["loss", [], []]);
});

test("references that nearly coincide are one line, one without a name names itself", () => {
  const about = { references: { uniform: 4.0, "ln 2": 4.05, unigram: 3.0 }, corpus: "tiny", grad_clip: 1 };
  const lines = linesOf(about, FIGURE);
  assert.deepEqual(lines.loss, [
    { y: 4, text: "ln V, 4.00" },
    { y: 3, text: "unigram, 3.00" },
  ]);
  assert.deepEqual(lines.bpb, [{ y: 2.12, text: "nanoGPT: 2.120", target: true }]);
  assert.deepEqual(lines.grad_norm, [{ y: 1, text: "clipped to 1" }]);
  assert.deepEqual(linesOf({ corpus: "another" }, FIGURE), { loss: [], bpb: [], grad_norm: [] });
});

test("a line is in sight where the curves come near it, a target always, and none without a curve", () => {
  const [high, close, low, target] = [{ y: 10 }, { y: 4.1 }, { y: 1 }, { y: 0.1, target: true }];
  const lines = [high, close, low, target].map((line) => ({ text: "", ...line }));
  assert.deepEqual(
    linesInSight(lines, [2, 4]).map(({ y }) => y),
    [4.1, 0.1],
  );
  assert.deepEqual(linesInSight(lines, []), []);
});

test("a line lies in its panel's axes", () => {
  const log = logOf({ step: [1, 2], "loss/train": [5, 3], grad_norm: [0.9, 1] });
  const panels = [panel("loss", ["loss/train"]), panel("grad_norm", ["grad_norm"])];
  const lines = { grad_norm: [{ y: 1, text: "clipped to 1" }] };
  const [shape, ...others] = shapesOf(panels, lines, tracesOf(log, panels, 0), "#333333");
  assert.deepEqual(
    [shape.xref, shape.yref, shape.y0, shape.y1, shape.label.text],
    ["x2 domain", "y2", 1, 1, "clipped to 1"],
  );
  assert.deepEqual(others, []);
});

test("what others have published counts for their corpus, once bits per byte are measured", () => {
  const [bare, measured] = [logOf({ step: [1], lr: [1] }), logOf({ step: [1], "bpb/val": [2.5] })];
  assert.equal(publishedFor(measured, FIGURE, { corpus: "tiny" }).length, 1);
  assert.equal(publishedFor(measured, FIGURE, { corpus: "another" }).length, 0);
  assert.equal(publishedFor(bare, FIGURE, { corpus: "tiny" }).length, 0);
});

test("a noisy curve is drawn faintly at each step with its average over it, another as it is", () => {
  const panels = [
    panel("loss", [], { curves: [curve("loss/train", { smooth: true }), curve("loss/val", { markers: true })] }),
  ];
  const log = logOf({ step: [1, 2], "loss/train": [4, 2], "loss/val": [null, 3] });
  const [raw, average, val] = tracesOf(log, panels, 0.5);
  assert.deepEqual([raw.name, raw.y, raw.opacity < 1], ["loss/train, each step", [4, 2], true]);
  assert.deepEqual([average.name, average.y], ["loss/train, smoothed", [4, 2 / 0.75]]);
  assert.deepEqual([val.x, val.y, val.mode], [[2], [3], "lines+markers"]);
  assert.equal(tracesOf(log, panels, 0).length, 2);
});

test("another run is laid over every curve, and stands once in the legend", () => {
  const log = logOf({ step: [1, 2], "loss/train": [4, 2], "loss/val": [3, 3], lr: [1, 1] });
  const curves = [curve("loss/train"), curve("loss/val", { markers: true })];
  const panels = [panel("loss", [], { curves }), panel("lr", ["lr"]), panel("kl", ["kl/val"])];
  const drawn = tracesOfOther("earlier", { log, color: "#123456" }, panels, 0);
  assert.deepEqual(
    drawn.map(({ name, showlegend, line, yaxis }) => [name, showlegend, line.dash, yaxis]),
    [
      ["earlier", true, "dash", "y"],
      ["earlier, loss/val", false, "dot", "y"],
      ["earlier, lr", false, "dash", "y2"],
    ],
  );
  assert.ok(tracesOfOther("earlier", { log, color: "#123456" }, panels, 0, false).every((one) => !one.showlegend));
});

test("small panels stand side by side, as many as there is room for, on one time", () => {
  const panels = [panel("loss", [], { log: true, zero: false }), panel("a", []), panel("b", [])];
  const layout = gridLayout(panels, 780, { logX: false, logY: true }, "nano");
  assert.deepEqual([layout.xaxis.domain[0], layout.xaxis2.domain[1]], [0, 1]);
  assert.ok(layout.xaxis2.domain[0] - layout.xaxis.domain[1] > 0.0999);
  assert.deepEqual(layout.xaxis3.domain, layout.xaxis.domain);
  const bottoms = ["yaxis", "yaxis2", "yaxis3"].map((name) => layout[name].domain[0]);
  assert.ok(bottoms[0] === bottoms[1] && bottoms[1] > bottoms[2] && bottoms[2] === 0);
  assert.deepEqual([layout.yaxis.domain[1], layout.xaxis.matches, layout.xaxis3.matches], [1, undefined, "x"]);
  assert.deepEqual([layout.yaxis.type, layout.yaxis2.type, layout.xaxis.type], ["log", "linear", "linear"]);
  assert.deepEqual([layout.yaxis.rangemode, layout.yaxis2.rangemode], ["normal", "tozero"]);
  const titles = ["xaxis", "xaxis2", "xaxis3"].map((name) => layout[name].title.text);
  assert.deepEqual(titles, ["", "optimiser step", "optimiser step"]);
  assert.deepEqual(gridLayout(panels, 300, { logX: false, logY: false }, "nano").xaxis2.domain, [0, 1]);
});

test("a zoom stays with the run and with the kind of its axis", () => {
  const [loss, options] = [panel("loss", [], { log: true }), { logX: false, logY: false }];
  const of = (changed, name = "nano") => {
    const { xaxis, yaxis } = largeLayout(loss, { ...options, ...changed }, name);
    return [xaxis.uirevision, yaxis.uirevision];
  };
  assert.deepEqual(of({}), of({}));
  assert.notEqual(of({ logX: true })[0], of({})[0]);
  assert.equal(of({ logX: true })[1], of({})[1]);
  assert.notEqual(of({ logY: true })[1], of({})[1]);
  assert.notEqual(of({}, "other")[0], of({})[0]);
});

test("several curves of a small panel are named above it", () => {
  const panels = [panel("lr", ["e"]), panel("kl", ["c", "d"])];
  const names = namesOf(panels, "#000000");
  assert.equal(names.length, 1);
  assert.equal(names[0].xref, "x2 domain");
  assert.match(names[0].text, /c.*d/);
});
