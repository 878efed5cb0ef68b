// What a model has copied: what of its text stands word for word in the text that it learned from, underlined. One
// switch for the whole page, off at first; each part of the page that shows texts has a button for it, and a legend.

import { about, button, isVisible, make, number } from "./dom.js";
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
const MOST = 4000; // texts that are remembered
const SMALL = "pg-button pg-small";
const ABOUT = "Underline what stands word for word in the text that the model learned from";
const ABOUT_COPIED =
  "What is underlined stands word for word, 8 tokens or more in a row, in one passage of the text that the model, or " +
  "one that it came from, learned from. Speakers' names are not counted. Point at it, or reach it with Tab, to see " +
  "where it stands. What is not underlined may still be copied in shorter pieces, or with a word changed.";
const NOTHING_YET = "What is copied of the next text will be underlined.";

/** @type {any} */
let python = null; // the server functions
/** @type {Map<string, Found>} */
const remembered = new Map();

/** @param {import("./server.js").View["server"]} server */
export function connect(server) {
  python = server;
  document.dispatchEvent(new Event(SWITCHED));
}

const isOn = () => localStorage.getItem(KEY) === "true";

/** The facts that are shown of something that is copied. @param {Origin} origin @returns {[string, string][]} */
export function facts({ corpus, document: at, documents, line, title, act, scene, speaker, tokens, times }) {
  const place = title
    ? [
        ["from", title],
        ["act", act],
        ["scene", scene],
        ["speaker", speaker],
      ]
    : [
        ["from", corpus],
        ["document", documents > 1 ? `${number(at)} of ${number(documents)}` : ""],
        ["line", number(line)],
      ];
  const length = ["length", `${number(tokens)} tokens`];
  const often = ["stands there", times === 1 ? "once" : `in ${number(times)} places, this is the first`];
  return /** @type {[string, string][]} */ ([...place, length, often].filter(([, value]) => value));
}

/**
 * How much is copied of all texts of each writer, in words.
 * @param {{who: string, found: Found}[]} texts
 */
export function countsText(texts) {
  const counts = new Map();
  for (const { who, found } of texts) {
    const [copied, tokens] = counts.get(who) ?? [0, 0];
    counts.set(who, [copied + found.copied, tokens + found.tokens]);
  }
  const each = [...counts].map(([who, [copied, tokens]]) => `${who}: ${number(copied)} of ${number(tokens)} tokens`);
  const corpora = distinct(texts.flatMap(({ found }) => found.corpora)).join(", ");
  return `${each.join(" · ")} stand in the text ${counts.size > 1 ? "they" : "it"} learned from (${corpora})`;
}

/** @param {Writer} writer */
const nameOf = (writer) => ("model" in writer ? writer.model : writer.side === "left" ? "A" : "B");

const distinct = (values) => [...new Set(values)];

function fill(node, pieces, origins) {
  const parts = pieces.map(([text, origin]) => {
    if (!origin) return text;
    const mark = Object.assign(make("mark", "pg-copied", text), { tabIndex: 0 });
    const said = facts(origin).map((fact) => fact.join(" "));
    mark.setAttribute("aria-description", said.join(", "));
    origins.set(mark, origin);
    return mark;
  });
  node.replaceChildren(...parts);
}

/** What could not be searched, and why. @param {{who: string, found: Found}[]} texts */
export const troubles = (texts) => [
  ...distinct(texts.flatMap(({ found }) => (found.gaps ?? []).map((gap) => `Not searched: ${gap}.`))),
  ...distinct(texts.flatMap(({ who, found }) => (found.error ? [`${who}: ${found.error}`] : []))),
];

function progressParts({ model, share }, stop) {
  const bar = Object.assign(make("progress", "pg-progress"), { max: 1, value: share });
  bar.setAttribute("aria-label", "index of the text");
  return [`Indexing the text that ${model || "the writer"} learned from`, bar, button("Stop", stop, SMALL)];
}

/** What is said of the texts that are searched; drawn anew only when it is otherwise. @param {() => unknown} stop */
function makeLegend(stop) {
  const root = make("p", "pg-note pg-copied-legend");
  const [said, going] = [make("span"), make("span")];
  const explained = about(ABOUT_COPIED);
  said.setAttribute("role", "status");
  let shown = "";
  /** @param {{who: string, found: Found}[]} texts @param {boolean} isOn */
  const show = (texts, isOn) => {
    const done = texts.filter(({ found }) => found.pieces);
    const making = texts.map(({ found }) => found.making).find(Boolean);
    const counts = done.length ? countsText(done) : making || texts.length ? "" : NOTHING_YET;
    const sentences = troubles(texts).join(" ");
    const now = JSON.stringify([isOn, counts, sentences, making]);
    if (now === shown) return;
    shown = now;
    said.replaceChildren(...(done.length ? [make("mark", "pg-copied", "Underlined"), " · "] : []), `${counts} `);
    going.replaceChildren(...(making ? progressParts(making, stop) : []), ` ${sentences}`);
    root.replaceChildren(...(isOn ? [said, explained, " ", going] : []));
  };
  return { root, show };
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
  const toggle = button("Copied text", () => press(), SMALL);
  const legend = makeLegend(() => ask(python.stop_indexing({})));
  Object.assign(toggle, { title: ABOUT });
  toggle.dataset.key = "copied";
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
    const { answers, error } = await ask(python.find_copied({ asked, again }));
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
    legend.show(known, isOn());
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
  return { parts: [toggle, legend.root], mark };
}

/** @typedef {ReturnType<typeof copiedMarks>} CopiedMarks */
