// The conversation as it is shown, and how answers come in.

import { colorTable } from "../../../assets/colors.js";
import { make } from "../../../assets/dom.js";
import { download } from "../../../assets/files.js";
import { follow } from "../../../assets/server.js";
import { makeAnswers } from "./answers.js";
import { makeComposer } from "./composer.js";
import { makeContext } from "./context.js";
import { json, markdown } from "./export.js";
import { modelTurn } from "./model_turn.js";
import { personTurn } from "./person_turn.js";
import { connect, conversation } from "./this_conversation.js";
import { tool } from "./turn_tools.js";

const [XRAY_ABOUT, JSON_ABOUT] = [
  "Every token of an answer in the colour of its probability; click one to look inside",
  "One line of JSON that a fine-tuning can learn from",
];
const NEAR = 60; // px from the end, from where what comes is followed

function makeScene() {
  const root = make("div", "pg-scene");
  root.setAttribute("role", "log");
  root.setAttribute("aria-label", "Conversation");
  root.tabIndex = 0; // the keyboard can scroll it
  const toEnd = () => void (root.scrollTop = root.scrollHeight);
  /** Change what is shown; who reads the end, sees the end, and who reads elsewhere stays there. */
  const keepPlace = (/** @type {() => void} */ change) => {
    const [top, isAtEnd] = [root.scrollTop, root.scrollHeight - root.scrollTop - root.clientHeight < NEAR];
    change();
    if (isAtEnd) toEnd();
    else root.scrollTop = top;
  };
  return { root, toEnd, keepPlace };
}

// The switch of the X-ray, and what its colours mean.
function makeXray(scale, onswitch) {
  const colors = colorTable(scale);
  let isOn = false;
  const node = tool("xray", "X-ray", () => set(!isOn), XRAY_ABOUT);
  const [legend, bar] = [make("span", "pg-scale"), make("span", "pg-scale-bar")];
  bar.style.background = `linear-gradient(to right, ${scale.join(", ")})`;
  legend.append("0 %", bar, "100 % likely: click a token");
  const show = () => {
    node.setAttribute("aria-pressed", String(isOn));
    legend.hidden = !isOn;
  };
  const set = (on) => {
    isOn = on;
    show();
    onswitch(isOn);
  };
  show();
  return { parts: [node, legend], colors: () => (isOn ? colors : null) };
}

function saveTools() {
  const { tree } = conversation;
  const saveMarkdown = () => download("conversation.md", markdown(tree.path()), "text/markdown");
  const saveJson = () => download("conversation.jsonl", json(tree.path(), conversation.settings()), "application/json");
  return [tool("markdown", "Save as Markdown", saveMarkdown), tool("json", "as JSON", saveJson, JSON_ABOUT)];
}

// After a turn from which one goes on anew: what came after it is hidden, not lost.
function keptLater(leaf, composer) {
  const later = leaf && conversation.tree.children(leaf.id).at(-1);
  if (!later) return [];
  const line = make("p", "pg-tools");
  const show = tool(`${leaf.id}-later`, "Show it", () => composer.show(later));
  line.append(make("span", "pg-note", "The next line begins a branch. What came after this turn is kept:"), show);
  return [line];
}

// The tab reaches to the lower end of the window, wherever it begins.
function fillWindow(row) {
  const measure = () => row.style.setProperty("--pg-top", `${row.getBoundingClientRect().top + scrollY}px`);
  new ResizeObserver(measure).observe(row);
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-talk");
  const { tree } = conversation;
  const [scene, saving, trouble] = [makeScene(), saveTools(), make("p", "pg-error")];
  trouble.setAttribute("role", "status");
  const say = (sentence) => void (trouble.textContent = sentence);
  const updates = new Map(); // of each answer that is shown: what shows what has come since

  // Turns that no model reads any more are pale.
  function dim() {
    const turns = [...scene.root.querySelectorAll("article")];
    turns.forEach((turn, i) => turn.classList.toggle("pg-forgotten", i < context.forgotten()));
  }

  function draw() {
    const key = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
    const shown = tree.path();
    updates.clear();
    const how = { conversation, composer, choices: props.choices, colors: xray.colors(), updates };
    const view = (turn) => (turn.role === "user" ? personTurn(turn, tree, composer, draw) : modelTurn(turn, how));
    const turns = shown.map(view);
    scene.keepPlace(() => scene.root.replaceChildren(context.about, ...turns, ...keptLater(tree.leaf(), composer)));
    if (key) /** @type {HTMLElement} */ (scene.root.querySelector(`[data-key="${key}"]`))?.focus();
    for (const each of [...saving, clear]) each.disabled = !shown.length;
    root.dataset.writing = String(tree.writing().length > 0); // then Stop stands in the place of Send
    dim();
  }

  const update = (answer) => scene.keepPlace(() => updates.get(answer)?.());
  const screen = { say, draw, update, toEnd: scene.toEnd };
  const answers = makeAnswers(conversation, server, screen);
  const context = makeContext(root, conversation, server, dim);
  const composer = makeComposer({ conversation, answers, server, screen, isAnswered: context.isAnswered });
  const xray = makeXray(props.palette, (isOn) => {
    draw();
    if (isOn) conversation.changed();
    else conversation.inspect(null);
  });

  const clear = Object.assign(tool("clear", "New conversation", composer.clear), { id: "chat-clear" });
  const [head, more, foot] = ["pg-tools", "pg-tools pg-talk-more", "pg-talk-foot"].map((name) => make("div", name));
  more.append(...saving, clear);
  head.append(...xray.parts, more);
  foot.append(trouble, context.bars);
  root.replaceChildren(head, scene.root, foot);
  fillWindow(root.closest(".pg-work"));
  draw();
  answers.listen();
  follow(props, watch, (value) => {
    conversation.want(value);
    connect(composer);
  });
}
