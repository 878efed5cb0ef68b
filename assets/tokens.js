// Tokens as people can read them, and as chips that tell what they are.

import { make, visibleSpaces } from "./dom.js";
import { tips } from "./tip.js";

// --- tokens as text -------------------------------------------------------------------------------------------

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const unseen = /(?![\n\t])[\p{Cc}\p{Cf}\p{Co}\p{Cn}\ufffd]|[^\S \n\t]/gu; // controls, zero width, unusual spaces
const loneMarks = /(?<![^ \n\t])\p{M}+/gu; // accents without a letter to stand on
const code = (char) => "U+" + char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
const read = new Map(); // every token is read once

/**
 * What to show for a token's bytes. `raw`: not its text but a description, as it is a part of a character or holds
 * characters that nobody can see.
 * @param {string} hex
 * @returns {{text: string, raw: boolean}}
 */
export function visible(hex) {
  if (read.has(hex)) return read.get(hex);
  const pairs = hex.match(/../g) ?? [];
  const byte = (pair) => (pair >= "20" && pair < "7f" ? String.fromCharCode(parseInt(pair, 16)) : `\\x${pair}`);
  const token = { text: pairs.map(byte).join(""), raw: true };
  try {
    const text = strict.decode(bytesOf(hex));
    token.text = text.replace(loneMarks, (marks) => [...marks].map(code).join("")).replace(unseen, code);
    token.raw = token.text !== text;
  } catch {
    // a part of a character: its bytes are all that can be shown
  }
  read.set(hex, token);
  return token;
}

/** The text that tokens are together: all characters that are complete. @param {string[]} hexes */
export function textOfTokens(hexes) {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return hexes.map((hex) => decoder.decode(bytesOf(hex), { stream: true })).join("");
}

/** @param {string} hex */
export const spacedHex = (hex) => hex.replace(/(..)(?=.)/g, "$1 ");

// --- characters that are cut ------------------------------------------------------------------------------------

/** How many bytes a character has that begins with this one; 1 for what begins none. @param {number} byte */
const lengthFrom = (byte) => (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1);

/** [start, end) in bytes of each character; what is no UTF-8 counts byte by byte. @param {string} hex */
function charactersOf(hex) {
  const places = [];
  for (let start = 0; 2 * start < hex.length;) {
    const length = lengthFrom(parseInt(hex.slice(2 * start, 2 * start + 2), 16));
    const whole = length > 1 && isText(hex.slice(2 * start, 2 * (start + length)));
    places.push([start, start + (whole ? length : 1)]);
    start = places.at(-1)[1];
  }
  return places;
}

const bytesOf = (/** @type {string} */ hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

function isText(hex) {
  try {
    return strict.decode(bytesOf(hex)) !== "";
  } catch {
    return false;
  }
}

/**
 * Where tokens cut characters: runs of tokens, [first, behind the last), with the characters that they make together,
 * and what each token has of them, in short and in words.
 * @param {string[]} hexes of neighbours in a text
 * @returns {{first: number, end: number, text: string, parts: {short: string, words: string}[]}[]}
 */
export function cutCharacters(hexes) {
  const hex = hexes.join("");
  const runs = [];
  let [token, at] = [0, 0]; // a token, and the byte where it begins
  for (const [start, end] of charactersOf(hex)) {
    while (at + hexes[token].length / 2 <= start) at += hexes[token++].length / 2;
    if (at + hexes[token].length / 2 >= end) continue; // it is whole
    if (runs.at(-1)?.end !== token + 1) runs.push({ first: token, end: token + 1, text: "", parts: [emptyPart()] });
    const run = runs.at(-1);
    const name = visible(hex.slice(2 * start, 2 * end)).text;
    run.text += name;
    for (let [i, from] = [token, at]; from < end; from += hexes[i++].length / 2) {
      if (i >= run.end) run.end = run.parts.push(emptyPart()) + run.first;
      const [low, high] = [Math.max(from, start) - start + 1, Math.min(from + hexes[i].length / 2, end) - start];
      addPart(run.parts[i - run.first], low, high, end - start, name);
    }
  }
  return runs;
}

const emptyPart = () => ({ short: "", words: "" });

function addPart(part, low, high, of, name) {
  const [range, words] = low === high ? [low, `byte ${low}`] : [`${low}–${high}`, `bytes ${low} to ${high}`];
  part.short += `${part.short && " "}${range}/${of}`;
  part.words += `${part.words && ", "}${words} of ${of} of ${name}`;
}

// --- chips ----------------------------------------------------------------------------------------------------

/**
 * A token as a coloured chip.
 * @param {string} hex its bytes
 * @param {number} color 0 to 4
 * @param {boolean} spaces show white space as signs
 */
export function chip(hex, color, spaces) {
  const { text, raw } = visible(hex);
  const node = make("span", `pg-chip pg-color-${color}${raw ? " pg-chip-raw" : ""}`);
  const shown = spaces ? visibleSpaces(text) : text.replaceAll("\n", " ");
  node.append(make("span", "pg-chip-text", shown || " "));
  node.setAttribute("role", "button");
  if (!shown.trim()) node.setAttribute("aria-label", visibleSpaces(text) || "nothing");
  node.tabIndex = -1;
  return node;
}

/**
 * A passage of chips: one stop of the Tab key, arrows move, Enter opens.
 * @param {string} label
 * @param {(i: number) => [string, string | number][]} describe the facts that a chip shows when it is pointed at
 * @param {(i: number) => unknown} open what a click does
 */
export function passage(label, describe, open) {
  const root = make("div", "pg-chips");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", label);
  const chips = () => [...root.querySelectorAll(".pg-chip")];
  const place = (node) => chips().indexOf(node);
  const choose = (node) => {
    root.querySelector('[aria-pressed="true"]')?.removeAttribute("aria-pressed");
    node.setAttribute("aria-pressed", "true");
    open(place(node));
  };
  tips(root, ".pg-chip", (node) => {
    const [facts, { part }] = [describe(place(node)), node.dataset];
    return part ? [...facts, ["part of a character", part]] : facts;
  });
  root.addEventListener("click", (event) => {
    const node = event.target.closest(".pg-chip");
    if (node) choose(node);
  });
  root.addEventListener("keydown", (event) => {
    const node = event.target.closest(".pg-chip");
    if (!node) return;
    if (event.key === "Enter" || event.key === " ") choose(node);
    const all = chips();
    const next = { ArrowLeft: place(node) - 1, ArrowRight: place(node) + 1, Home: 0, End: all.length - 1 }[event.key];
    if (all[next]) {
      node.tabIndex = -1;
      all[next].tabIndex = 0;
      all[next].focus();
    } else if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
  });
  return root;
}

/**
 * How many chips of a passage can stay when it shows other tokens: those before the first that differs, but for those
 * that may have a part of a character together with it.
 * @param {string[]} before what each of them shows
 * @param {string[]} after what those show that are to be there
 * @param {(i: number) => boolean} isPart has the i-th a part of a character?
 */
export function unchanged(before, after, isPart) {
  let same = 0;
  while (same < before.length && before[same] === after[same]) same++;
  if (same === before.length && same === after.length) return same;
  same = Math.max(0, same - 3); // a character has at most four bytes
  while (same && isPart(same - 1)) same--;
  return same;
}

/**
 * Put chips into a passage, those that are parts of a character in a bracket, and a line break behind each token that
 * holds one.
 * @param {HTMLElement} root
 * @param {HTMLElement[]} chips
 * @param {string[]} hexes
 * @param {number} kept so many that are there already stay before them: see `unchanged`
 */
export function fill(root, chips, hexes, kept = 0) {
  const all = document.createDocumentFragment();
  const runs = cutCharacters(hexes);
  for (let i = 0; i < chips.length; i++) {
    const run = runs[0]?.first === i ? runs.shift() : null;
    all.append(run ? bracket(chips.slice(i, run.end), run) : chips[i]);
    if (run) i = run.end - 1;
    if (hexes[i].includes("0a") && visible(hexes[i]).text.includes("\n")) all.append(document.createElement("br"));
  }
  const gone = document.createRange();
  gone.selectNodeContents(root);
  if (kept) {
    const last = root.querySelectorAll(".pg-chip")[kept - 1];
    gone.setStartAfter(last.nextSibling?.nodeName === "BR" ? last.nextSibling : last);
  }
  gone.deleteContents();
  root.append(all);
  const [first, stop] = [".pg-chip", ".pg-chip[tabindex='0']"].map((which) => root.querySelector(which));
  if (first && !stop) /** @type {HTMLElement} */ (first).tabIndex = 0;
}

function bracket(chips, { text, parts }) {
  const root = make("span", "pg-character");
  root.dataset.text = text;
  chips.forEach((node, i) => {
    node.dataset.part = parts[i].words;
    node.querySelector(".pg-chip-text").after(make("span", "pg-chip-part", parts[i].short));
  });
  root.append(...chips);
  return root;
}
