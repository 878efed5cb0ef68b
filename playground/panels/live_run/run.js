// A run, live: how far it is, its curves, and what it writes.

import { make } from "../../../assets/dom.js";
import { ask, pollWhenSeen } from "../../../assets/server.js";
import { runCurves } from "./curves.js";
import { addSamples, statusLine } from "./status.js";
import { runTools } from "./tools.js";

/**
 * @typedef {import("../../../assets/server.js").View} View
 * @typedef {ReturnType<typeof runCurves>} Curves
 */

/**
 * What a tab shows of a run besides: its nodes above and below the curves, and what it does when a run is begun,
 * restarted, or has taken steps.
 * @typedef {object} Besides
 * @property {HTMLElement} above
 * @property {HTMLElement} below
 * @property {(name: string, figure: any) => void} begin
 * @property {(about: any) => void} restart
 * @property {(curves: Curves) => Promise<void>} update
 */

const MOST_ROWS = 6000; // then the curves are asked for anew, thinned out
const [ACTIVE, QUEUED, IDLE, LOST] = [1000, 1500, 5000, 2000]; // ms until the next look

/** @param {View} view */
export const mount = (view) => mountRun(view);

const sources = (published) =>
  published
    .map(({ name, bits_per_byte, source }) => `${name}'s ${bits_per_byte.toFixed(3)} bits per byte: ${source}.`)
    .join(" ");

// What it writes, the newest first, below a title as soon as there is something.
function writings() {
  const [title, story] = [make("h3", "", "What it says"), make("div", "pg-samples")];
  Object.assign(story, { tabIndex: 0 }); // to be scrolled by keyboard
  const add = (samples, log) => {
    addSamples(story, samples, log);
    title.hidden = !story.childElementCount;
  };
  return { nodes: [title, story], add, clear: () => story.replaceChildren() };
}

// All the parts of the view, and what fills them with what a look has found.
function runParts(root, server, besides) {
  const options = { smoothing: 0.9, logX: false, logY: false, others: new Map(), colors: [] };
  const [plot, note] = [make("div", "pg-curves"), make("p", "pg-note")];
  const [status, said, curves] = [statusLine(), writings(), runCurves(plot, options)];
  const tools = runTools(() => root.dataset.run, options, server, plot, curves.draw, status.lost);
  const parts = [status.root, besides?.above, tools, plot, besides?.below, note, ...said.nodes].filter(Boolean);

  const begin = (name, figure) => {
    if (!plot.isConnected) root.replaceChildren(...parts);
    options.others.delete(name);
    options.colors = figure.others;
    tools.label();
    Object.assign(root.dataset, { run: name, points: 0, state: "" });
  };

  // `first`: until now the run that was looked at before could still be seen.
  const show = async (name, figure, news, first) => {
    const all = [curves, ...(besides ? [besides] : [])];
    if (first) all.forEach((part) => part.begin(name, figure));
    if (news.restart) all.forEach((part) => part.restart(news.about));
    if (first || news.restart) said.clear();
    curves.add(news);
    if (first || news.restart || news.columns.step.length) {
      await curves.draw();
      await besides?.update(curves);
    }
    status.show(name, news, curves.log());
    note.textContent = sources(curves.published());
    said.add(news.samples, curves.log());
  };
  return { begin, show, lost: status.lost, steps: () => curves.log().step };
}

/**
 * The live view of a run, with what a tab shows besides.
 * @param {View} view
 * @param {Besides} [besides]
 */
export function mountRun({ element, props, watch, server, trigger }, besides) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-run");
  const parts = runParts(root, server, besides);

  pollWhenSeen(root, props, watch, ({ name, figure }) => {
    parts.begin(name, figure);
    let [cursor, wasActive, begun] = [null, null, false];
    return async (signal) => {
      if (begun && parts.steps().length > MOST_ROWS) cursor = null;
      const news = await ask(server.follow_run({ name, cursor }));
      if (signal.aborted) return;
      if (news.error) {
        parts.lost(news.error);
        return LOST; // the playground may come back
      }
      await parts.show(name, figure, news, !begun);
      if (signal.aborted) return;
      begun = true;
      cursor = news.cursor;
      const { active, state } = news.status;
      Object.assign(root.dataset, { points: parts.steps().at(-1) ?? 0, state });
      if (wasActive !== null && wasActive !== active) trigger("changed"); // ended, or begun again
      wasActive = active;
      return active ? ACTIVE : state === "queued" ? QUEUED : IDLE;
    };
  });
}
