// The lessons: their list, or the one that is open at one of its steps. What is open stands in the address.

import { setAddress } from "../../../assets/address.js";
import { isVisible, make } from "../../../assets/dom.js";
import { ask, drawWhenSeen, pollSeen } from "../../../assets/server.js";
import { outline } from "./outline.js";
import { openPlace } from "./place.js";
import { stepView } from "./step.js";

const EVERY = 500; // ms between two looks at a measurement

/**
 * What Python says of the lessons. `task` is the measurement that is going on or the last one, `kept` what was
 * predicted and shown, by "LESSON/STEP", `trouble` why that could not be read or written.
 * @typedef {{task: any, kept: Record<string, any>, trouble: string, error?: string}} State
 */

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  const root = element.querySelector(".pg-lessons");
  const { lessons } = props;
  const trouble = make("p", "pg-error");
  const body = make("div");
  const address = new URLSearchParams(location.search);
  let at = openPlace(lessons, address);
  /** @type {State} */
  let state = { task: {}, kept: {}, trouble: "" };
  let [model, shown, stopPolling] = ["", null, () => {}];

  const say = (sentence) => {
    trouble.textContent = sentence;
    trouble.hidden = !sentence;
  };
  const take = (answer) => {
    if (answer.error) return say(answer.error);
    state = answer;
    if (state.trouble) say(state.trouble);
    return state;
  };
  const call = async (name, request = {}) => take(await ask(server[name]({ model, ...request })));

  const showAddress = () =>
    setAddress(at ? { tab: "learn", lesson: at.lesson.id, step: String(at.step + 1) } : { lesson: "", step: "" });

  const open = (lesson, step = 0) => {
    at = lesson ? { lesson, step } : null;
    say(state.trouble);
    draw();
    body.querySelector("h3")?.focus({ preventScroll: true });
    root.scrollIntoView({ block: "nearest" });
  };

  // The measurement that goes on is followed wherever the person is; the step that is open shows how far it is.
  const follow = () => {
    stopPolling();
    stopPolling = pollSeen(root, async (signal) => {
      await call("poll");
      if (signal.aborted) return;
      if (!state.task.running)
        draw(); // it may have ended before it was first asked after
      else shown?.progress(state);
      if (state.task.running) return EVERY;
    });
  };

  const draw = () => {
    if (isVisible(root)) showAddress();
    root.dataset.open = at ? `${at.lesson.id}/${at.lesson.steps[at.step].id}` : "";
    if (!at) {
      shown = null;
      return body.replaceChildren(outline(lessons, state.kept, open));
    }
    shown = stepView({ ...at, state, model, open, call, follow, redraw: draw, looked: server.look });
    body.replaceChildren(shown.root);
  };

  root.replaceChildren(trouble, body);
  say(address.has("lesson") && !at ? `There is no lesson called ${address.get("lesson")}.` : "");
  drawWhenSeen(root, props, watch, async (value) => {
    const changed = model !== value.model;
    model = value.model;
    await call("poll");
    if (changed || !shown) draw();
    if (state.task.running) follow();
  });
  // The tab's own click has taken the lesson out of the address.
  new IntersectionObserver(() => {
    if (isVisible(root) && at) showAddress();
  }).observe(root);
}
