// One checkpoint whole: where it comes from, its settings, a note, its report card, its votes, how it learned and what
// it wrote.

import { make, table } from "../../../assets/dom.js";
import { ownText } from "../../../assets/own_text.js";
import { LEGEND_ABOVE, picture } from "../../../assets/pictures.js";
import { rateRow } from "../../../assets/rates.js";
import { ask } from "../../../assets/server.js";
import { certaintyText, figureText, megabytes } from "./amounts.js";

// What a person keeps with it; of one that cannot be changed, what stands there.
function noteOf({ name, note, read_only, kind }, longest, server) {
  const about = { title: "Note", none: "none yet: what it is for, what you have seen of it", longest };
  const text = ownText(about, (typed) => ask(server.write_note({ name, note: typed })));
  if (!read_only && kind !== "training") text.show({ text: note });
  else if (note) text.root.append(make("p", "", note));
  return text.root;
}

function written(samples) {
  if (!samples.length) return [];
  const texts = samples.map((text) => make("pre", "pg-model-sample", text));
  for (const text of texts) text.tabIndex = 0; // to be scrolled by keyboard
  return [make("h4", "", "What it wrote last while it was trained"), ...texts];
}

function origin({ facts, settings, size }) {
  const part = make("div");
  const list = make("dl", "pg-model-facts");
  for (const [name, value] of [...facts, ["on disk", megabytes(size)]])
    list.append(make("dt", "", name), make("dd", "", value));
  part.append(list);
  if (settings.length) {
    const folded = make("details");
    folded.append(make("summary", "", `${settings.length} settings`), table(["setting", "value"], settings));
    part.append(folded);
  }
  return part;
}

function measured({ report, wins }) {
  const part = make("div", "pg-report");
  const figures = report.map((one) => [one.name, figureText(one), certaintyText(one)]);
  const head = ["measured", "value", "95 % interval"];
  if (figures.length) part.append(make("h4", "", "Report card"), table(head, figures));
  const rates = wins.map((one) => rateRow(one.name, one, "Ties count half."));
  if (rates.length) part.append(make("h4", "", "Won in votes"), ...rates);
  return part;
}

const FEW = 40; // points: they are marked

function drawCurve(shown, curve, colors) {
  const trace = (key, name) => {
    const at = curve.step.map((_, i) => i).filter((i) => (curve[key]?.[i] ?? null) !== null);
    const [x, y] = [at.map((i) => curve.step[i]), at.map((i) => curve[key][i])];
    const mode = at.length < FEW ? "lines+markers" : "lines";
    return { type: "scatter", mode, name, x, y, line: { color: colors[key], width: 1.5 } };
  };
  const traces = [trace("loss/train", "training"), trace("loss/val", "validation")].filter(({ x }) => x.length);
  shown.draw(traces, {
    xaxis: { title: { text: "optimiser step" }, integer: true },
    yaxis: { title: { text: "loss (nats)" } },
    legend: LEGEND_ABOVE,
    margin: { l: 62, r: 14, t: 26, b: 44 },
  });
}

/**
 * @param {any} found see `details` in playground/tabs/models/cards.py
 * @param {{colors: Record<string, string>, longestNote: number}} props colours of the losses
 * @param {import("../../../assets/server.js").View["server"]} server
 * @returns {{root: HTMLElement, draw: () => void}} what is to be drawn once it is in the page
 */
export function modelDetails(found, { colors, longestNote }, server) {
  const root = make("div", "pg-two");
  const right = measured(found);
  const left = origin(found);
  if (found.kind !== "vocabulary") left.prepend(noteOf(found, longestNote, server));
  left.append(...written(found.samples));
  root.append(left, right);
  if (!found.curve.step?.length) return { root, draw: () => {} };
  const [place, shown] = [make("div", "pg-model-curve"), picture("How it learned", "", 220)];
  place.append(shown.root);
  right.append(place);
  return { root, draw: () => drawCurve(shown, found.curve, colors) };
}
