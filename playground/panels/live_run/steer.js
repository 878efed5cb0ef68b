// Pause, Resume and Stop: each can be pressed when it can do something.

import { button, make } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { ask } from "../../../assets/server.js";
import { tellChanged } from "./looked_at.js";

const RESUMABLE = ["paused", "stopped", "failed", "interrupted"];
const DOING = { pause: "Pausing …", resume: "Resuming …", stop: "Stopping …" };

/**
 * Which of them can do something now.
 * @param {{state: string, active: boolean, asked: string}} status `asked`: what the run has been asked for
 * @returns {Record<string, boolean>}
 */
export const possible = ({ state, active, asked }) => ({
  pause: ["starting", "running"].includes(state) && !["pause", "stop"].includes(asked),
  resume: RESUMABLE.includes(state) && asked !== "stop",
  stop: (active && asked !== "stop") || state === "queued",
});

/**
 * What a run is doing, in one word: what it has been asked for shows before it obeys.
 * @param {{state: string, active: boolean, asked: string}} status
 */
export function stateWord({ state, active, asked }) {
  if (active && asked === "stop") return "stopping …";
  return active && asked === "pause" && state !== "paused" ? "pausing …" : state;
}

/**
 * @param {string} prefix
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {() => string} current
 * @param {(error: string) => void} say
 * @param {() => unknown} look again, now
 */
export function steering(prefix, server, current, say, look) {
  const root = make("span", "pg-steering");
  const buttons = Object.fromEntries(
    Object.keys(DOING).map((action) => {
      const act = async () => {
        const answer = await busy(pressed, DOING[action], ask(server.steer({ name: current(), action })));
        say(answer.error ?? "");
        pressed.disabled = true;
        if (action === "resume") tellChanged();
        look();
      };
      const text = action[0].toUpperCase() + action.slice(1);
      const pressed = Object.assign(button(text, act, "pg-button pg-small"), { id: `${prefix}-${action}` });
      return [action, pressed];
    }),
  );
  root.append(...Object.values(buttons));
  const show = (status) => {
    for (const [action, can] of Object.entries(possible(status)))
      if (!buttons[action].dataset.busy) Object.assign(buttons[action], { disabled: !can });
  };
  show({ state: "", active: false, asked: "" });
  return { root, show };
}
