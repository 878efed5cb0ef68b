// What is seen of a vote: a prompt, two answers, a button for each thing one may think of them, and how far one is.

import { copiedMarks } from "../../../assets/copied.js";
import { button, checkbox, choice, isVisible, make, number } from "../../../assets/dom.js";
import { annotatorName, onAnnotatorName, setAnnotatorName, trainOnVotes, votesText } from "../../../assets/votes.js";

/**
 * What Python declares of voting.
 * @typedef {object} VotingControls
 * @property {import("./keys.js").Choice[]} choices
 * @property {{slight: number, much: number}} margins
 * @property {Record<string, string>} criteria by what one may judge, in words; none: that is not asked
 * @property {string} nobody who votes without a name
 * @property {number} longestName
 * @property {number} longestNote
 * @property {boolean} trains may a model be trained on the votes once their goal is reached?
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

const GRADES = "pg-vote-grades"; // kept: is it said how much better?
const grading = { true: "a press is slightly better, with Shift much better", false: "with Shift: much better" };

// How it is judged: by what, and whether each vote says how much better an answer is.
function judging({ choices, margins, criteria }, onwish) {
  const [root, told] = [make("div", "pg-vote-how"), make("span", "pg-note")];
  const criterion = choice("Judged", Object.entries(criteria), onwish);
  const grades = checkbox("Grade each vote", localStorage.getItem(GRADES) === "true", (isOn) => {
    localStorage.setItem(GRADES, String(isOn));
    tell();
  });
  const tell = () => (told.textContent = grading[String(grades.box.checked)]);
  tell();
  const isAsked = Object.keys(criteria).length > 1;
  root.append(...(isAsked ? [criterion] : []), grades, told);
  const margin = (what, isMuch) => {
    const isGraded = choices.some((one) => one.choice === what && one.graded);
    return !isGraded ? 0 : isMuch ? margins.much : grades.box.checked ? margins.slight : 0;
  };
  return { root, margin, wish: () => (isAsked ? { criterion: criterion.select.value } : {}) };
}

function layOut(controls, onvote, onundo, onwish) {
  const prompt = textBox("pg-vote-prompt", "Prompt");
  const [left, right] = [textBox("pg-vote-text", "Answer A"), textBox("pg-vote-text", "Answer B")];
  const votes = (one) => (event) => onvote(one.choice, event.shiftKey);
  const buttons = new Map(controls.choices.map((one) => [one.choice, keyedButton(one, votes(one))]));
  const undo = keyedButton({ text: "Undo", hint: "U", keys: ["U"] }, onundo);
  const [note, how] = [noteBox(controls), judging(controls, onwish)];
  const sides = frameOf("div", "pg-vote-sides", side("A", left), side("B", right));
  const copied = copiedMarks(sides);
  how.root.append(...copied.parts);
  const [count, bar, last] = [make("span"), make("progress", "pg-progress"), make("p", "pg-vote-last")];
  const lead = () => trainOnVotes(how.wish().criterion);
  const train = Object.assign(button("Train on these votes", lead, "pg-button pg-primary"), { hidden: true });
  bar.setAttribute("aria-label", "Votes of the goal");
  last.setAttribute("role", "status");
  const origin = make("p", "pg-note pg-vote-origin");
  const who = frameOf("label", "pg-choice", "Annotator", nameBox(controls));
  const frame = frameOf(
    "div",
    "pg-vote",
    frameOf("div", "pg-vote-head", who, frameOf("div", "pg-vote-progress", count, bar, train)),
    prompt,
    sides,
    frameOf("div", "pg-vote-buttons", ...buttons.values(), undo),
    how.root,
    last,
    note,
    origin,
  );
  return { frame, texts: { prompt, left, right }, buttons, undo, how, copied, note, count, bar, train, last, origin };
}

const isReached = (count, goal) => goal > 0 && count >= goal;

/**
 * How far a person is, in words.
 * @param {{count: number, seconds: number | null}} given the votes, and the median of their times
 * @param {number} goal 0: none
 */
export function progressText({ count, seconds }, goal) {
  const pace = seconds === null ? "" : ` · ${seconds.toFixed(1)} s each`;
  const reached = isReached(count, goal) ? " · goal reached" : "";
  return `${goal ? `${number(count)} of ${votesText(goal)}` : votesText(count)}${reached}${pace}`;
}

/**
 * @param {HTMLElement} root
 * @param {VotingControls} controls
 * @param {(choice: string, isMuch: boolean) => void} onvote
 * @param {() => void} onundo
 * @param {() => void} onwish it is to be judged in another way
 * @returns {import("./session.js").Screen & {frame: HTMLElement, margin: (choice: string, isMuch: boolean) => number,
 *   wish: () => object}} `frame` is not in the page yet; `margin` is how much better a vote says an answer is
 */
export function makeScreen(root, controls, onvote, onundo, onwish) {
  const { frame, texts, buttons, undo, how, copied, note, count, bar, train, last, origin } = layOut(
    controls,
    onvote,
    onundo,
    onwish,
  );

  const setState = (name) => {
    root.dataset.state = name;
    for (const node of buttons.values()) node.disabled = name !== "ready";
  };

  return {
    frame,
    margin: how.margin,
    wish: how.wish,
    showPair(pair, noteToPair, isNew) {
      const fill = ([part, node]) => Object.assign(node, { textContent: pair[part], scrollTop: 0 });
      if (isNew) Object.entries(texts).forEach(fill);
      copied.mark(texts.left, { pair: pair.id, side: "left" });
      copied.mark(texts.right, { pair: pair.id, side: "right" });
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
      undo.disabled = !answer.undoable;
      count.textContent = progressText(answer, goal);
      Object.assign(bar, { max: goal || 1, value: goal ? Math.min(answer.count, goal) : 0, hidden: !goal });
      train.hidden = !(controls.trains && isReached(answer.count, goal));
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
