// The conversation as it is shown, and how answers come in.

import { colorTable } from "../../../assets/colors.js";
import { copiedMarks } from "../../../assets/copied.js";
import { make } from "../../../assets/dom.js";
import { download } from "../../../assets/files.js";
import { follow } from "../../../assets/server.js";
import { makeAnswers } from "./answers.js";
import { makeComposer } from "./composer.js";
import { makeContext } from "./context.js";
import { makeExchange } from "./exchange.js";
import { json, markdown } from "./export.js";
import { makeKeeper } from "./keeping.js";
import { modelTurn } from "./model_turn.js";
import { personTurn } from "./person_turn.js";
import { starters } from "./starters.js";
import { connect, conversation, send, toggleList } from "./this_conversation.js";
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

/** @param {number} count of the branches that go on from the last turn that is shown */
const branchText = (count) =>
  `The next line begins a new branch. What came after this turn is kept${count > 1 ? ` in ${count} branches` : ""}: ` +
  "‹ and › below the next line will lead to it.";

// After a turn from which one goes on anew: what came after it is hidden, not lost.
function keptLater(leaf, composer) {
  const later = leaf ? conversation.tree.children(leaf.id) : [];
  if (!later.length) return [];
  const line = make("p", "pg-tools");
  const show = tool(`${leaf.id}-later`, "Show it", () => composer.show(later.at(-1)));
  line.append(make("span", "pg-note", branchText(later.length)), show);
  return [line];
}

// The tab reaches to the lower end of the window, wherever it begins.
function fillWindow(row) {
  const measure = () => row.style.setProperty("--pg-top", `${row.getBoundingClientRect().top + scrollY}px`);
  new ResizeObserver(measure).observe(row);
}

// What stands above the conversation.
function makeHead(xray, copied, clear) {
  const [root, more, saving] = [make("div", "pg-tools"), make("div", "pg-tools pg-talk-more"), saveTools()];
  const list = Object.assign(tool("list", "Conversations", toggleList), { id: "chat-list-open" });
  const fresh = Object.assign(tool("clear", "New conversation", clear), { id: "chat-clear" });
  more.append(list, fresh, ...saving);
  const [toggle, copiedLegend] = copied.parts;
  root.append(...xray.parts, toggle, more, copiedLegend);
  const update = (isEmpty) => {
    for (const each of [...saving, fresh]) each.disabled = isEmpty;
  };
  return { root, update };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server, trigger }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-talk");
  const { tree } = conversation;
  const [scene, trouble, copied] = [makeScene(), make("p", "pg-error"), copiedMarks(root)];
  trouble.setAttribute("role", "status");
  const say = (sentence) => void (trouble.textContent = sentence);
  const updates = new Map(); // of each answer that is shown: what shows what has come since
  let offered = ""; // to whom lines to begin with are shown

  // Turns that no model reads any more are pale.
  function dim() {
    const turns = [...scene.root.querySelectorAll("article")];
    turns.forEach((turn, i) => turn.classList.toggle("pg-forgotten", i < context.forgotten()));
  }

  function measured() {
    const models = JSON.stringify(context.readings().map(({ model, starters: lines }) => [model, lines]));
    if (tree.path().length) dim();
    else if (models !== offered) draw();
    offered = models;
  }

  function draw() {
    const key = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
    const shown = tree.path();
    updates.clear();
    const how = { conversation, composer, choices: props.choices, colors: xray.colors(), updates, draw, copied };
    const view = (turn) => (turn.role === "user" ? personTurn(turn, tree, composer, draw) : modelTurn(turn, how));
    const turns = shown.map(view);
    const below = shown.length ? keptLater(tree.leaf(), composer) : starters(context.readings(), send);
    scene.keepPlace(() => scene.root.replaceChildren(context.about, ...turns, ...below));
    if (key) /** @type {HTMLElement} */ (scene.root.querySelector(`[data-key="${key}"]`))?.focus();
    head.update(!shown.length);
    root.dataset.writing = String(tree.writing().length > 0); // then Stop stands in the place of Send
    dim();
  }

  const update = (answer) => scene.keepPlace(() => updates.get(answer)?.());
  const screen = { say, draw, update, toEnd: scene.toEnd };
  const useModel = (name) => {
    props.value = { ...props.value, use: name };
    trigger("model_wanted");
  };
  const answers = makeAnswers(conversation, server, screen);
  const context = makeContext(root, conversation, server, measured, useModel);
  const composer = makeComposer({ conversation, answers, server, screen, isAnswered: context.isAnswered });
  const keep = makeKeeper(conversation, server, say);
  const exchange = makeExchange({ conversation, answers, keep, screen, useModel });
  const xray = makeXray(props.palette, (isOn) => {
    draw();
    if (isOn) conversation.changed();
    else conversation.inspect(null);
  });
  const [head, foot] = [makeHead(xray, copied, exchange.clear), make("div", "pg-talk-foot")];
  foot.append(trouble, context.bars);
  root.replaceChildren(head.root, scene.root, foot);
  fillWindow(root.closest(".pg-work"));
  draw();
  answers.listen();
  conversation.onRest(keep);
  let isBegun = false;
  conversation.onChange(() => {
    if (isBegun || !conversation.isReady()) return;
    isBegun = true;
    connect({ ...composer, ...exchange });
    if (tree.known().length !== 1) keep(); // it was not heard whether its last state is kept
  });
  follow(props, watch, ({ model, draft }) => conversation.hold({ model, draft }));
}
