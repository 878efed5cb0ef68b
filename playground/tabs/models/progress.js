// What goes on in the background, told where it was asked for: a model is measured, imported or uploaded.

import { button, isVisible, make } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { ask, poll } from "../../../assets/server.js";

const EVERY = 700; // ms

/**
 * A line that tells how far a task is, and what came of it if somebody has waited for that here.
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {(task: {what: string, name: string}) => boolean} isMine which tasks are told here
 * @param {() => unknown} [ended]
 */
export function taskProgress(server, isMine, ended = () => {}) {
  const root = make("div", "pg-tools pg-task");
  root.setAttribute("role", "status");
  let [task, isPolling, awaited] = [/** @type {any} */ ({}), false, 0];

  function draw() {
    const isTold = task.number && isMine(task) && (task.running || task.number === awaited);
    root.dataset.running = String(Boolean(isTold && task.running));
    if (!isTold) return root.replaceChildren();
    const text = task.error || `${task.name}: ${task.message}`;
    root.replaceChildren(make("span", task.error ? "pg-error" : "pg-note", text));
    if (!task.running) return;
    const stop = button("Stop", () =>
      busy(
        stop,
        "Stopping …",
        ask(server.stop_task({})).then((status) => show(status)),
      ),
    );
    root.append(stop);
  }

  async function look() {
    const status = await ask(server.task_status({}));
    const isLost = status.number === undefined;
    task = isLost ? { ...task, error: status.error } : status;
    draw();
    if (task.running) return EVERY;
    isPolling = false;
    ended();
  }

  /**
   * Show a status, and what becomes of it.
   * @param {any} status
   * @param {boolean} [isAwaited] was it begun here? It may have ended already
   */
  function show(status, isAwaited = status.running) {
    if (status.number === undefined) return; // an error, told elsewhere
    task = status;
    if (isAwaited) awaited = task.number;
    draw();
    if (!task.running || isPolling) return;
    isPolling = true;
    poll(look);
  }

  /** Forget what came of the last one. */
  function clear() {
    if (!task.running) awaited = 0;
    draw();
  }
  return { root, show, clear };
}

/**
 * The same as a view of its own, beside a button of Gradio's.
 * @param {import("../../../assets/server.js").View} view
 */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-progress-line");
  const progress = taskProgress(server, ({ what }) => what === props.what);
  root.replaceChildren(progress.root);
  const look = async (isAwaited) => {
    if (isVisible(root)) progress.show(await ask(server.task_status({})), isAwaited);
  };
  watch("value", () => look(true));
  new IntersectionObserver(() => look()).observe(root);
}
