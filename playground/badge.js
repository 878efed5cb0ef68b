// The header's badge: the device, the training that runs, and how many wait.

import { make } from "../assets/dom.js";
import { ask, poll } from "../assets/server.js";

/** @param {import("../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-header-badge");
  (window.requestIdleCallback ?? setTimeout)(() => import("../assets/plots.js")); // before it is needed: it is large
  poll(async () => {
    let busy = false;
    if (!document.hidden) {
      const { device = "disconnected", run = null, waiting = 0 } = await ask(server.running());
      busy = run !== null || waiting > 0;
      const parts = [make("span", "pg-badge", device)];
      if (run) parts.push(make("span", `pg-badge pg-${run.state}`, describe(run)));
      if (waiting) parts.push(make("span", "pg-badge pg-queued", `${waiting} waiting`));
      root.replaceChildren(...parts);
    }
    return busy ? 2000 : 5000;
  });
}

const describe = ({ name, state, step, max_steps }) => `${name}: ${state}, step ${step} of ${max_steps}`;
