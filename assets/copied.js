// What a model has copied: what of its text stands word for word in the text that it learned from, underlined. One
// switch for the whole page, off at first; each part of the page that shows texts has a button for it, and a legend.

import { button, isVisible, make, number } from "./dom.js";
import { ask, debounce, oneAtATime } from "./server.js";
import { tips } from "./tip.js";

/**
 * Who wrote a text: a model or a run by its name, or a side of a pair whose writers are hidden.
 * @typedef {{model: string} | {pair: number, side: "left" | "right"}} Writer
 */

/**
 * Where something that is copied stands first, how many tokens it has, and in how many places it stands.
 * @typedef {object} Origin
 * @property {string} corpus
 * @property {number} document
 * @property {number} documents
 * @property {number} line
 * @property {string} title
 * @property {string} act
 * @property {string} scene
 * @property {string} speaker
 * @property {number} tokens
 * @property {number} times
 */

/**
 * What Python has found in a text, or why not, or how far its index is.
 * @typedef {object} Found
 * @property {[text: string, origin: Origin | null][]} [pieces]
 * @property {number} [copied]
 * @property {number} [tokens]
 * @property {string[]} [corpora]
 * @property {string[]} [gaps]
 * @property {string} [error]
 * @property {{model: string, share: number}} [making]
 */

const [KEY, SWITCHED] = ["pg-copied", "pg-copied"]; // in the browser's storage; an event of the document
const [REST, EVERY] = [60, 400]; // ms until new texts are asked about, and while an index is made
const MOST = 400; // texts that are remembered
const ABOUT = "Underline what stands word for word in the text that the model learned from";

/** @type {{server: any, n: number} | null} */
let python = null;
/** @type {Map<string, Found>} */
const remembered = new Map();

/** @param {any} server @param {number} n tokens in a row from which on a text counts as copied */
export function connect(server, n) {
  python = { server, n };
  document.dispatchEvent(new Event(SWITCHED));
}

const isOn = () => localStorage.getItem(KEY) === "true";

/** The facts that are shown of something that is copied. @param {Origin} origin @returns {[string, string][]} */
export function facts({ corpus, document: number_, documents, line, title, act, scene, speaker, tokens, times }) {
  const place = title
    ? [
        ["from", title],
        ["act", act],
        ["scene", scene],
        ["speaker", speaker],
      ]
    : [
        ["from", corpus],
        ["document", documents > 1 ? `${number(number_)} of ${number(documents)}` : ""],
        ["line", number(line)],
      ];
  const length = ["length", `${number(tokens)} tokens`];
  const often = ["stands there", times === 1 ? "once" : `in ${number(times)} places, this is the first`];
  return /** @type {[string, string][]} */ ([...place, length, often].filter(([, value]) => value));
}

/**
 * How much is copied of all texts of each writer.
 * @param {{who: string, found: Found}[]} texts
 */
export function countsText(texts) {
  const counts = new Map();
  for (const { who, found } of texts) {
    const [copied, tokens] = counts.get(who) ?? [0, 0];
    counts.set(who, [copied + found.copied, tokens + found.tokens]);
  }
  return [...counts]
    .map(([who, [copied, tokens]]) => `${who}: ${number(copied)} of ${number(tokens)} tokens`)
    .join(" · ");
}

/** @param {Writer} writer */
const nameOf = (writer) => ("model" in writer ? writer.model : writer.side === "left" ? "A" : "B");

const distinct = (values) => [...new Set(values)];

function fill(node, pieces, origins) {
  const parts = pieces.map(([text, origin]) => {
    if (!origin) return text;
    const mark = Object.assign(make("mark", "pg-copied", text), { tabIndex: 0 });
    mark.setAttribute(
      "aria-description",
      facts(origin)
        .map((fact) => fact.join(" "))
        .join(", "),
    );
    origins.set(mark, origin);
    return mark;
  });
  node.replaceChildren(...parts);
}

/** What is said below the button. @param {{who: string, found: Found}[]} texts @param {() => unknown} stop */
function legendParts(texts, stop) {
  const done = texts.filter(({ found }) => found.pieces);
  const making = texts.map(({ found }) => found.making).find(Boolean);
  const parts = [];
  if (done.length) {
    const corpora = distinct(done.flatMap(({ found }) => found.corpora)).join(", ");
    const what = ` stands word for word in the text learned from (${corpora}), ${python.n} tokens or more in a row. `;
    parts.push(make("mark", "pg-copied", "Underlined"), what, make("strong", "", countsText(done)));
    parts.push("; speakers' names are not counted. Point at it, or press Tab, to see where it stands.");
  }
  if (making) {
    const bar = Object.assign(make("progress", "pg-progress"), { max: 1, value: making.share });
    bar.setAttribute("aria-label", "index of the text");
    parts.push(
      ` Indexing what ${making.model || "its writer"} learned from`,
      bar,
      button("Stop", stop, "pg-button pg-small"),
    );
  }
  const gaps = distinct(done.flatMap(({ found }) => found.gaps)).map((gap) => ` Not searched: ${gap}.`);
  const errors = distinct(texts.flatMap(({ who, found }) => (found.error ? [` ${who}: ${found.error}`] : [])));
  return [...parts, ...gaps, ...errors];
}

/**
 * The button and the legend for the texts of a part of the page, and what gives it texts: a node that holds nothing
 * but what the writer wrote.
 * @param {HTMLElement} root
 */
export function copiedMarks(root) {
  /** @type {Map<HTMLElement, {writer: Writer, text: string}>} */
  const marked = new Map();
  const origins = new WeakMap();
  const toggle = button("Copied text", () => press(), "pg-button pg-small");
  const legend = make("p", "pg-note pg-copied-legend");
  Object.assign(toggle, { title: ABOUT });
  toggle.dataset.key = "copied";
  legend.setAttribute("role", "status");
  tips(root, "mark.pg-copied", (node) => (origins.has(node) ? facts(origins.get(node)) : []));
  let again = false; // what could not be searched is tried once more

  function press() {
    localStorage.setItem(KEY, String(!isOn()));
    document.dispatchEvent(new Event(SWITCHED));
  }
  const keyOf = ({ writer, text }) => JSON.stringify([writer, text]);

  async function askFor(texts) {
    const news = distinct(texts.map(keyOf)).filter((key) => !remembered.get(key)?.pieces);
    if (!news.length) return;
    const asked = news.map((key) => JSON.parse(key)).map(([writer, text]) => ({ ...writer, text }));
    const { answers, error } = await ask(python.server.find_copied({ asked, again }));
    again = false;
    if (remembered.size > MOST) remembered.clear();
    news.forEach((key, i) => remembered.set(key, answers?.[i] ?? { error }));
  }

  const update = oneAtATime(async () => {
    for (const node of marked.keys()) if (!node.isConnected) marked.delete(node);
    toggle.setAttribute("aria-pressed", String(isOn()));
    if (!python || !isVisible(toggle)) return;
    if (isOn()) await askFor([...marked.values()]);
    const texts = [...marked].map(([node, one]) => ({
      node,
      who: nameOf(one.writer),
      ...one,
      found: remembered.get(keyOf(one)),
    }));
    for (const { node, text, found } of texts) {
      if (isOn() && found?.pieces && !node.querySelector(".pg-copied")) fill(node, found.pieces, origins);
      if (!isOn() && node.querySelector(".pg-copied")) node.textContent = text;
    }
    const known = texts.filter(({ found }) => found);
    const stop = () => ask(python.server.stop_indexing({}));
    legend.replaceChildren(...(isOn() ? legendParts(known, stop) : []));
    if (isOn() && texts.some(({ found }) => !found || found.making)) setTimeout(update, EVERY);
  });
  const soon = debounce(update, REST);
  document.addEventListener(SWITCHED, () => {
    again = true;
    update();
  });
  new IntersectionObserver(update).observe(toggle); // its tab was opened
  toggle.setAttribute("aria-pressed", String(isOn()));

  /** @param {HTMLElement} node @param {Writer} writer */
  const mark = (node, writer) => {
    marked.set(node, { writer, text: node.textContent ?? "" });
    soon();
  };
  return { parts: [toggle, legend], mark };
}

/** @typedef {ReturnType<typeof copiedMarks>} CopiedMarks */
