// What goes on in the background: a model is measured, imported or uploaded.

import { button, make } from "../../../assets/dom.js";
import { ask, poll } from "../../../assets/server.js";

const EVERY = 700; // ms

/**
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {import("./actions.js").Shelf["act"]} act
 * @param {() => unknown} ended
 */
export function taskProgress(server, act, ended) {
  const root = make("div", "pg-tools");
  let [task, isPolling] = [null, false];

  function draw() {
    if (!task.number) return root.replaceChildren(); // nothing has been done yet
    const text = task.error || `${task.name}: ${task.message}`;
    root.replaceChildren(make("span", task.error ? "pg-error" : "pg-note", text));
    if (task.running) root.append(button("Stop", () => act(server.stop_chore({}), show)));
    root.dataset.running = task.running;
  }

  async function look() {
    const status = await ask(server.chore_status({}));
    const isLost = status.number === undefined;
    task = isLost ? { ...task, error: status.error } : status;
    draw();
    if (task.running) return EVERY;
    isPolling = false;
    ended();
  }

  /** Show a status, and what becomes of it. @param {any} status */
  function show(status) {
    task = status;
    draw();
    if (!task.running || isPolling) return;
    isPolling = true;
    poll(look);
  }
  return { root, show };
}
