// Learn while you vote: the switch, how far the model has moved, whether that is liked, and what can be done about it.

import { carefulButton } from "../../../assets/careful_button.js";
import { about, button, checkbox, choice, make, number } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { rateRow } from "../../../assets/rates.js";
import { ask, follow, latest, pollSeen } from "../../../assets/server.js";
import { annotatorName, onAnnotatorName, onVotes, votesText } from "../../../assets/votes.js";
import { klChart } from "./kl_chart.js";

const AGAIN = 500; // ms, while it learns
const ABOUT =
  "After every few votes a copy of the model takes a few steps of DPO on all your votes on its answers, in the " +
  "background. The new version then writes the pairs, half of them against the model as it was. KL says how far it " +
  "has moved, in nats an answer; what goes too far is drawn back. Your votes are only read; what it has learned from " +
  "a vote that you take back stays until you go back or forget.";
const RATE_ABOUT = "Answers of versions against those of the model as it was, voted blind; a tie counts a half.";

/**
 * How far it is, in words.
 * @param {any} progress what Python says, see learning.py
 */
export function learningText(progress) {
  const { on, paused, current, votes, decided, left, learning, waits, lineage, model } = progress;
  const kl = lineage.at(-1)?.kl ?? 0;
  const who = current ? `Version ${current} answers, KL ${kl.toFixed(2)}.` : `${model} answers as it is.`;
  if (!on) return current ? `Off: ${model} answers as it is; version ${current} is kept.` : "";
  if (learning) return `${who} Learning from ${votesText(votes)} …`;
  if (paused) return `${who} Paused: it learns no further.`;
  if (waits) return `${who} It waits for a training to end.`;
  if (left) return `${who} It learns after ${left === 1 ? "1 more vote" : `${number(left)} more votes`}.`;
  return decided ? `${who} It learns after your next vote.` : `${who} No vote prefers an answer yet.`;
}

// Enter leaves it: then the keys vote again.
const leaveByEnter = (box) => box.addEventListener("keydown", ({ key }) => key === "Enter" && box.blur());

function numberBox(text, most, change) {
  const [root, box] = [make("label", "pg-choice", text), make("input", "pg-number")];
  Object.assign(box, { type: "number", min: 1, max: most, onchange: () => change(Number(box.value)) });
  leaveByEnter(box);
  root.append(box);
  return Object.assign(root, { box });
}

// The parts, which stay; `show` puts what Python says into them.
function makeParts({ mostEvery }, act) {
  const box = checkbox("Learn while you vote", false, (isOn) => act("switch", isOn));
  const [head, body, trouble, said] = [make("p"), make("div"), make("p", "pg-error"), make("p")];
  const [line, side, chart, rate] = [make("p", "pg-note"), make("p", "pg-note"), make("div"), make("div")];
  for (const node of [line, said]) node.setAttribute("role", "status");
  head.append(box, " ", about(ABOUT));
  const every = numberBox("Votes a round", mostEvery, (count) => act("every", count));
  const pause = button("", () => act("pause", pause.dataset.paused !== "true"));
  const back = choice("Version", [], (chosen) => act("back", Number(chosen)));
  const forget = carefulButton("Forget", "Sure? All versions", () => act("forget"));
  const name = make("input", "pg-vote-name");
  name.setAttribute("aria-label", "Name of the model that is kept");
  leaveByEnter(name);
  const keep = button("Keep", () => act("keep", name.value.trim(), keep));
  const [tools, keeping] = [make("div", "pg-tools"), make("div", "pg-tools")];
  tools.append(every, pause, back, forget);
  keeping.append(name, keep);
  body.append(side, chart, rate, tools, keeping);

  function show(found) {
    box.box.checked = found.on;
    line.textContent = learningText(found);
    trouble.textContent = found.trouble;
    side.textContent = found.on ? found.side : "";
    body.hidden = !found.on && !found.versions.length;
    if (document.activeElement !== every.box) every.box.value = found.every;
    pause.textContent = found.paused ? "Go on" : "Pause";
    pause.dataset.paused = found.paused;
    pause.hidden = !found.on;
    back.hidden = forget.hidden = !found.versions.length;
    keeping.hidden = !found.current;
    const options = [[0, `${found.model} as it is`], ...found.versions.map((one) => [one.number, versionText(one)])];
    if (back.dataset.options !== JSON.stringify(options)) {
      back.dataset.options = JSON.stringify(options); // drawn anew, a list that is open would close
      back.select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    }
    back.select.value = found.current;
    if (name.dataset.offered !== found.name) name.value = name.dataset.offered = found.name;
    chart.replaceChildren(...(found.lineage.length ? [klChart(found.lineage, found.votes)] : []));
    const preferred = { ...found.preferred, of: found.preferred.count === 1 ? "vote" : "votes" };
    rate.replaceChildren(...(found.lineage.length ? [rateRow("Preferred to the old one", preferred, RATE_ABOUT)] : []));
  }
  const say = (text, failed) => Object.assign(said, { textContent: text, className: failed ? "pg-error" : "pg-note" });
  return { nodes: [head, line, trouble, body, said], box: box.box, body, line, show, say };
}

/** @param {{number: number, votes: number, kl: number}} version */
export const versionText = ({ number: n, votes, kl }) => `${n}: ${votesText(votes)}, KL ${kl.toFixed(2)}`;

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-learning");
  const last = latest();
  let [wish, stop] = [null, () => {}];
  const asked = () => ({ wish, annotator: annotatorName() });
  const parts = makeParts(props, act);

  function show(found) {
    if (!parts.line.isConnected) root.replaceChildren(...parts.nodes);
    parts.box.disabled = Boolean(found.error);
    if (found.error) {
      parts.line.textContent = found.error;
      parts.body.hidden = true;
      return;
    }
    parts.show(found);
    Object.assign(root.dataset, { version: found.current, learning: found.learning });
  }

  async function act(action, value, pressed = null) {
    const call = ask(server.change_learning({ ...asked(), action, value }));
    const found = await (pressed ? busy(pressed, "Saving …", call) : call);
    const done = action === "keep" ? `Kept as ${value}: it is among the models now.` : "";
    parts.say(found.error ?? done, Boolean(found.error));
    begin();
  }

  async function look() {
    const found = await last(server.learning_progress(asked()));
    if (!found) return AGAIN;
    show(found);
    if (found.learning) return AGAIN;
  }

  function begin() {
    stop();
    stop = pollSeen(root, look);
  }
  follow(props, watch, (value) => {
    wish = value;
    begin();
  });
  onVotes(begin);
  onAnnotatorName(begin);
}
