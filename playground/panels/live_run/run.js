// A run, live: how far it is, its curves beside what it writes, and what can be done with it.

import { setAddress } from "../../../assets/address.js";
import { isVisible, make, number } from "../../../assets/dom.js";
import { copyButton, fold } from "../../../assets/fold.js";
import { ask, pollSeen } from "../../../assets/server.js";
import { runCurves } from "./curves.js";
import { doctorPart } from "./doctor.js";
import { keep, kept } from "./kept.js";
import { onLook, tellChanged } from "./looked_at.js";
import { queuePart } from "./queue.js";
import { runPicker } from "./runs.js";
import { outcomePart } from "./outcome.js";
import { writings } from "./samples.js";
import { skillsPart } from "./skills.js";
import { statusLine } from "./status.js";
import { steering } from "./steer.js";
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
 * @property {(curves: Curves, details: any[], answers: import("./samples.js").Answers[]) => Promise<void>} update
 *   `details`: the new lines of details.jsonl; `answers`: all those that there are to held-out prompts
 */

const MOST_ROWS = 6000; // then the curves are asked for anew, thinned out
const [ACTIVE, QUEUED, IDLE, LOST] = [1000, 1500, 5000, 2000]; // ms until the next look
const LOOKS = { smoothing: 0.9, logX: false, logY: false };

/** @param {View} view */
export const mount = (view) => mountRun(view);

const sources = (published) =>
  published
    .map(({ name, bits_per_byte, source }) => `${name}'s ${bits_per_byte.toFixed(3)} bits per byte: ${source}.`)
    .join(" ");

const skippedText = (count) =>
  count
    ? `A long log: all evaluations and the latest steps are drawn; of those before, ${number(count)} are left out.`
    : "";

// What a run writes beside its metrics, evaluation by evaluation: see details.jsonl in core/training/run_directory.py.
function detailsReader(server) {
  let [offset, lines] = [0, []];
  return {
    /** The lines that are new. @param {string} name */
    read: async (name) => {
      const known = lines;
      const found = await ask(server.follow_details({ name, offset }));
      if (found.error || known !== lines) return []; // begun anew meanwhile
      offset = found.offset;
      lines.push(...found.lines);
      return found.lines;
    },
    /** Those that hold answers to held-out prompts. @returns {import("./samples.js").Answers[]} */
    answers: () => lines.filter(({ answers }) => answers?.length),
    clear: () => ([offset, lines] = [0, []]),
  };
}

// What the run has written for people, and the command that trains the same.
function logPart(server, current) {
  const [command, text] = [make("code", "pg-command"), make("pre", "pg-log")];
  Object.assign(text, { tabIndex: 0 });
  const look = async () => {
    if (!part.isOpen()) return;
    const found = await ask(server.run_log({ name: current() }));
    command.textContent = found.command ?? found.error;
    const atEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 8;
    text.textContent = found.log || "Nothing is written yet.";
    if (atEnd) text.scrollTop = text.scrollHeight;
  };
  const part = fold("Log and command line", look);
  const [first, second] = [make("p", "pg-note", "Train the same from a terminal: "), make("p", "pg-note", "log.txt: ")];
  first.append(copyButton(() => command.textContent));
  second.append(copyButton(() => text.textContent));
  part.body.append(first, command, second, text);
  return { root: part.root, look };
}

function row(className, ...nodes) {
  const root = make("div", className);
  root.append(...nodes);
  return root;
}

// All the parts of the view, and what fills them with what a look has found.
function runParts(root, server, props, besides, look, again) {
  const { prefix, main, chosen } = props.place;
  const current = () => root.dataset.run ?? "";
  const looks = kept(prefix, { ...LOOKS, chosen, others: [] });
  const options = { ...looks, main, others: new Map(), colors: [] };
  const [plot, grid, note] = [make("div", "pg-curves"), make("div", "pg-more-curves"), make("p", "pg-note")];
  const waiting = make("p", "pg-no-curves");
  const [status, said] = [statusLine(), writings(current)];
  const curves = runCurves(plot, grid, options, (panels) => keep(prefix, { chosen: panels }));
  const remember = (/** @type {Record<string, any>} */ changes) => keep(prefix, changes);
  const tools = runTools(current, options, server, [plot, grid], curves.draw, remember);
  const picker = runPicker(`${prefix}-run`, server, current, look);
  const steer = steering(prefix, server, current, status.lost, again);
  const queue = queuePart(`${prefix}-queue`, server);
  const doctor = doctorPart(server, look);
  const written = logPart(server, current);
  const [details, outcome] = [detailsReader(server), outcomePart(server, look)];
  const skills = skillsPart(server, curves.mark);
  let skipped = 0;

  const head = row("pg-run-head", picker.root, status.line, steer.root);
  const first = row("pg-run-main", waiting, plot, tools);
  const pair = row("pg-run-pair", first, row("pg-run-side", outcome.root, said.root));
  const parts = [head, status.root, queue.root, doctor.root, besides?.above, pair, skills.root, curves.more];
  const nodes = [...parts, grid, besides?.below, note, written.root].filter(Boolean);

  const begin = (name, figure) => {
    if (!plot.isConnected) {
      root.replaceChildren(...nodes);
      queue.begin();
      tools.restore(looks.others);
    }
    options.others.delete(name);
    options.colors = figure.others;
    Object.assign(root.dataset, { run: name, points: 0, state: "" });
    tools.label();
    picker.label();
    doctor.begin(name);
    skills.begin(name);
    written.look();
  };

  const drawDetails = async (name, signal) => {
    const lines = await details.read(name);
    if (signal.aborted) return; // another run is looked at by now
    said.compare(details.answers());
    await besides?.update(curves, lines, details.answers());
  };

  const tellOutcome = (name, status) => outcome.update(name, status, details.answers(), curves.log());

  // `first`: until now the run that was looked at before could still be seen.
  const show = async (name, figure, news, first, signal) => {
    const all = [curves, ...(besides ? [besides] : [])];
    if (first) all.forEach((part) => part.begin(name, figure));
    if (news.restart) all.forEach((part) => part.restart(news.about));
    if (first || news.restart) [said, details, outcome].forEach((part) => part.clear());
    curves.add(news);
    status.show(news, curves.log());
    steer.show(news.status);
    waiting.textContent = status.inWords();
    waiting.hidden = curves.log().step.length > 0 || options.others.size > 0;
    said.add(news.samples, curves.log());
    tellOutcome(name, news.status); // Plotly may take seconds to come
    if (first || news.restart || news.columns.step.length) {
      await curves.draw();
      await drawDetails(name, signal);
    }
    if (signal.aborted) return;
    tellOutcome(name, news.status);
    await skills.update(news);
    if (signal.aborted) return;
    if (first || news.restart) skipped = news.skipped;
    note.textContent = `${sources(curves.published())} ${skippedText(skipped)}`.trim();
    if (first || news.columns.step.length) written.look();
  };
  return { begin, show, lost: status.lost, steps: () => curves.log().step };
}

// The address says which run is looked at, as long as its tab is the one that is open.
function followAddress(root, prefix) {
  const isHere = () => (new URLSearchParams(location.search).get("tab") ?? prefix) === prefix;
  const tell = () => {
    if (isVisible(root) && isHere() && root.dataset.run) setAddress({ run: root.dataset.run });
    else if (!isVisible(root) && !isHere() && new URLSearchParams(location.search).get("run") === root.dataset.run)
      setAddress({ run: "" });
  };
  new IntersectionObserver(() => setTimeout(tell)).observe(root);
  return tell;
}

/**
 * The live view of a run, with what a tab shows besides.
 * @param {View} view
 * @param {Besides} [besides]
 */
export function mountRun({ element, props, server, trigger }, besides) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-run");
  const { prefix, empty } = props.place;
  let [stop, turn] = [() => {}, 0];
  let opened = null; // the run that is looked at, and how it is drawn
  const tell = followAddress(root, prefix);

  const begin = ({ name, figure }) => {
    stop();
    parts.begin(name, figure);
    tell();
    let [cursor, wasActive, begun] = [null, null, false];
    stop = pollSeen(root, async (signal) => {
      if (begun && parts.steps().length > MOST_ROWS) cursor = null;
      const news = await ask(server.follow_run({ name, cursor }));
      if (signal.aborted) return;
      if (news.error) {
        parts.lost(news.error);
        return LOST; // the playground may come back
      }
      await parts.show(name, figure, news, !begun, signal);
      if (signal.aborted) return;
      begun = true;
      cursor = news.cursor;
      const { active, state } = news.status;
      Object.assign(root.dataset, { points: parts.steps().at(-1) ?? 0, state });
      if (wasActive !== null && wasActive !== active) {
        tellChanged();
        trigger("changed"); // ended, or begun again
      }
      wasActive = active;
      return active ? ACTIVE : state === "queued" ? QUEUED : IDLE;
    });
  };

  const look = async (run, wanted = "") => {
    const mine = ++turn;
    const name = run ?? (await ask(server.first_run({ wanted }))).run;
    const { figure, error } = name ? await ask(server.open_run({ name })) : {};
    if (mine !== turn) return;
    if (error) return parts.lost(error);
    if (name) return begin((opened = { name, figure }));
    stop();
    root.replaceChildren(make("p", "pg-note", empty));
  };
  const parts = runParts(root, server, props, besides, look, () => opened && begin(opened));

  onLook(prefix, async (run) => {
    await look(run);
    const { top, bottom } = root.getBoundingClientRect();
    if (top < 0 || top > innerHeight / 2 || bottom < 0) root.scrollIntoView({ block: "start" });
  });
  const address = new URLSearchParams(location.search);
  look(null, address.get("tab") === prefix ? (address.get("run") ?? "") : "");
}
