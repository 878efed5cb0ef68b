// The header's badge: the device, the training that runs, which a click leads to, and how many wait.

import { button, make, number } from "../assets/dom.js";
import { ask, poll } from "../assets/server.js";
import { lookAt } from "./panels/live_run/looked_at.js";
import { goTo } from "./tour/places.js";

/** @param {import("../assets/server.js").View} view */
export function mount({ element, props, server }) {
  const root = element.querySelector(".pg-header-badge");
  const device = Object.assign(make("span", "pg-device", props.device), { title: props.about });
  const waiting = make("span", "pg-badge pg-queued");
  const training = leadingTo();
  root.replaceChildren(device, training.root, waiting);
  (window.requestIdleCallback ?? setTimeout)(() => import("../assets/plots.js")); // before it is needed: it is large
  poll(async () => {
    let busy = false;
    if (!document.hidden) {
      const { run = null, queued = 0, error = "" } = await ask(server.running());
      busy = run !== null || queued > 0;
      device.textContent = error ? "disconnected" : props.device;
      training.show(run);
      waiting.hidden = !queued;
      waiting.textContent = `${number(queued)} waiting`;
    }
    return busy ? 2000 : 5000;
  });
}

// The training that runs, filled as far as it has come; a press leads to it.
function leadingTo() {
  let tab = "";
  const open = async () => {
    await goTo(tab);
    lookAt(tab, name.textContent); // a live view has its tab's name
  };
  const root = Object.assign(button("", open), { hidden: true, title: "Go to this training" });
  const [name, steps] = [make("b"), make("span")];
  root.append(name, " ", steps);
  const show = (run) => {
    root.hidden = !run;
    if (!run) return;
    tab = run.tab;
    root.className = `pg-badge pg-${run.state}`;
    name.textContent = run.name;
    steps.textContent = `${run.state}, step ${number(run.step)} of ${number(run.max_steps)}`;
    root.style.setProperty("--done", `${(100 * run.step) / Math.max(1, run.max_steps)}%`);
  };
  return { root, show };
}
