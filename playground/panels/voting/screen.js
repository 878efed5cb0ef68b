// What is seen of a vote: a prompt, two answers, a button for each thing one may think of them, and how far one is.

import { button, isVisible, make, number } from "../../../assets/dom.js";
import { annotatorName, onAnnotatorName, setAnnotatorName, votesText } from "../../../assets/votes.js";

/**
 * What Python declares of voting.
 * @typedef {object} VotingControls
 * @property {import("./keys.js").Choice[]} choices
 * @property {string} nobody who votes without a name
 * @property {number} longestName
 * @property {number} longestNote
 */

function frameOf(tag, className, ...children) {
  const node = make(tag, className);
  node.append(...children);
  return node;
}

function textBox(className, label) {
  const node = make("div", className);
  Object.assign(node, { tabIndex: 0, role: "region" }); // to be scrolled by keyboard
  node.setAttribute("aria-label", label);
  return node;
}

const side = (letter, node) => frameOf("section", "pg-vote-side", make("h3", "pg-vote-letter", letter), node);

function keyedButton({ text, hint, keys }, act) {
  const node = button("", act, "pg-button pg-vote-button");
  node.append(make("span", "", text), make("kbd", "", hint));
  node.setAttribute("aria-keyshortcuts", keys.join(" "));
  return node;
}

// A box that is left by Enter and Escape: then the keys vote again.
function typingBox(className, more) {
  const node = Object.assign(make("input", className), more);
  node.addEventListener("keydown", ({ key }) => ["Enter", "Escape"].includes(key) && node.blur());
  return node;
}

function nameBox({ longestName, nobody }) {
  const node = typingBox("pg-vote-name", { maxLength: longestName });
  const show = () => {
    node.value = annotatorName() || nobody;
  };
  node.onchange = () => setAnnotatorName(node.value.trim());
  onAnnotatorName(show);
  show();
  return node;
}

function noteBox({ longestNote }) {
  const placeholder = "Optional note to this vote (Enter: back to voting)";
  const node = typingBox("pg-vote-note", { placeholder, maxLength: longestNote });
  node.setAttribute("aria-label", "Note to this vote");
  return node;
}

function layOut(controls, onvote, onundo) {
  const prompt = textBox("pg-vote-prompt", "Prompt");
  const [left, right] = [textBox("pg-vote-text", "Answer A"), textBox("pg-vote-text", "Answer B")];
  const buttons = new Map(controls.choices.map((one) => [one.choice, keyedButton(one, () => onvote(one.choice))]));
  const undo = keyedButton({ text: "Undo", hint: "U", keys: ["U"] }, onundo);
  const note = noteBox(controls);
  const [count, bar, last] = [make("span"), make("progress", "pg-progress"), make("p", "pg-vote-last")];
  bar.setAttribute("aria-label", "Votes of the goal");
  last.setAttribute("role", "status");
  const origin = make("p", "pg-note pg-vote-origin");
  const who = frameOf("label", "pg-choice", "Annotator", nameBox(controls));
  const frame = frameOf(
    "div",
    "pg-vote",
    frameOf("div", "pg-vote-head", who, frameOf("div", "pg-vote-progress", count, bar)),
    prompt,
    frameOf("div", "pg-vote-sides", side("A", left), side("B", right)),
    frameOf("div", "pg-vote-buttons", ...buttons.values(), undo),
    last,
    note,
    origin,
  );
  return { frame, texts: { prompt, left, right }, buttons, note, count, bar, last, origin };
}

/**
 * How far a person is, in words.
 * @param {{count: number, seconds: number | null}} given the votes, and the median of their times
 * @param {number} goal 0: none
 */
export function progressText({ count, seconds }, goal) {
  const pace = seconds === null ? "" : ` · ${seconds.toFixed(1)} s each`;
  const reached = goal && count >= goal ? " · goal reached" : "";
  return `${goal ? `${number(count)} of ${votesText(goal)}` : votesText(count)}${reached}${pace}`;
}

/**
 * @param {HTMLElement} root
 * @param {VotingControls} controls
 * @param {(choice: string) => void} onvote
 * @param {() => void} onundo
 * @returns {import("./session.js").Screen & {frame: HTMLElement}} `frame` is not in the page yet
 */
export function makeScreen(root, controls, onvote, onundo) {
  const { frame, texts, buttons, note, count, bar, last, origin } = layOut(controls, onvote, onundo);

  const setState = (name) => {
    root.dataset.state = name;
    for (const node of buttons.values()) node.disabled = name !== "ready";
  };

  return {
    frame,
    showPair(pair, noteToPair, isNew) {
      const fill = ([part, node]) => Object.assign(node, { textContent: pair[part], scrollTop: 0 });
      if (isNew) Object.entries(texts).forEach(fill);
      origin.textContent = [pair.origin, noteToPair].filter(Boolean).join(" · ");
      root.dataset.pair = pair.id;
      setState("ready");
    },
    showNone(mood, text) {
      setState(mood);
      texts.prompt.replaceChildren(make("span", mood === "trouble" ? "pg-error" : "pg-note", text));
      texts.left.textContent = texts.right.textContent = origin.textContent = "";
    },
    showProgress(answer, goal) {
      count.textContent = progressText(answer, goal);
      Object.assign(bar, { max: goal || 1, value: goal ? Math.min(answer.count, goal) : 0, hidden: !goal });
    },
    say({ text = "", names = "", mood = "" }) {
      last.replaceChildren(text, ...(names ? [" ", make("strong", "", names)] : []));
      last.dataset.mood = mood;
    },
    mark: (choice, isGiven) => buttons.get(choice).classList.toggle("pg-vote-given", isGiven),
    takeNote() {
      const typed = note.value.toWellFormed();
      note.value = "";
      return typed;
    },
    onceDrawn: (call) => requestAnimationFrame(() => setTimeout(call)),
    isVisible: () => isVisible(root),
  };
}
