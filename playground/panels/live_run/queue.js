// The trainings that wait: in which order, why each does, and what can be done about it.

import { button, make } from "../../../assets/dom.js";
import { ask, pollSeen } from "../../../assets/server.js";

const [WAITING, EMPTY] = [1500, 3000]; // ms until the next look

/** @typedef {{name: string, kind: string, why: string, asks: boolean}} Waiting */

/**
 * What can be done to a run that waits: [action, what the button says, what it does], and whether it can be now.
 * @param {Waiting} run
 * @param {number} place
 * @param {number} count
 * @returns {{action: string, text: string, title: string, enabled: boolean}[]}
 */
export function actionsOf({ name, kind, asks }, place, count) {
  const found = [];
  if (kind === "memory")
    found.push({ action: "fit", text: "Fit it for me", title: `Smaller micro-batches for ${name}` });
  if (asks) found.push({ action: "anyway", text: "Start anyway", title: `Start ${name} anyway` });
  found.push({ action: "up", text: "↑", title: `Move ${name} up`, enabled: place > 0 });
  found.push({ action: "down", text: "↓", title: `Move ${name} down`, enabled: place < count - 1 });
  found.push({ action: "remove", text: "Remove", title: `Take ${name} out of the queue` });
  return found.map((one) => ({ enabled: true, ...one }));
}

function row(run, place, count, act) {
  const item = make("li", run.asks ? "pg-waits pg-asks" : "pg-waits");
  const words = make("span", "pg-waits-why");
  words.append(make("strong", "", run.name), ` · ${run.why}`);
  const tools = make("span", "pg-waits-tools");
  for (const { action, text, title, enabled } of actionsOf(run, place, count)) {
    const pressed = button(text, () => act(run.name, action), action === "fit" ? "pg-button pg-primary" : "pg-button");
    pressed.setAttribute("aria-label", title);
    Object.assign(pressed, { title, disabled: !enabled });
    Object.assign(pressed.dataset, { run: run.name, action });
    tools.append(pressed);
  }
  item.append(words, tools);
  return item;
}

// The button that was pressed, or its neighbour if that can do no more: who uses the keyboard goes on from there.
function focusAgain(root, { run, action }) {
  const same = [...root.querySelectorAll("button")].filter((one) => one.dataset.run === run && !one.disabled);
  (same.find((one) => one.dataset.action === action) ?? same.at(0) ?? root.querySelector("button"))?.focus();
}

/**
 * The queue, whose list looks again by itself.
 * @param {string} id
 * @param {import("../../../assets/server.js").View["server"]} server
 */
export function queuePart(id, server) {
  const root = Object.assign(make("div", "pg-queue"), { id });
  const problem = make("p", "pg-error");
  problem.setAttribute("role", "status");
  let shown = "[]"; // what is drawn: a button must not be drawn anew under the pointer

  const draw = (/** @type {Waiting[]} */ queue) => {
    if (JSON.stringify(queue) === shown) return;
    shown = JSON.stringify(queue);
    const active = document.activeElement;
    const focused = active instanceof HTMLElement && root.contains(active) ? { ...active.dataset } : null;
    const list = make("ol", "pg-waiting");
    list.append(...queue.map((run, place) => row(run, place, queue.length, act)));
    root.replaceChildren(...(queue.length ? [make("h3", "", "Queue"), list, problem] : []));
    root.dataset.waiting = queue.map(({ name }) => name).join(", ");
    if (focused?.run) focusAgain(root, /** @type {any} */ (focused));
  };

  const act = async (name, action) => {
    const answer = await ask(server.change_queue({ name, action }));
    problem.textContent = answer.error ?? "";
    if (answer.queue) draw(answer.queue);
  };

  const look = async () => {
    const { queue, error } = await ask(server.waiting_runs({}));
    if (error) return EMPTY;
    draw(queue);
    return queue.length ? WAITING : EMPTY;
  };
  return { root, begin: () => pollSeen(root, look) };
}
