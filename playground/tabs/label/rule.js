// A rule that votes: how far it has come.

import { make } from "../../../assets/dom.js";
import { follow, latest, poll } from "../../../assets/server.js";
import { announceVotes } from "../../../assets/votes.js";

const AGAIN = 700; // ms

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-rule");
  const [line, bar] = [make("p", "pg-rule-line"), make("progress", "pg-progress")];
  line.setAttribute("role", "status");
  bar.setAttribute("aria-label", "votes given");
  const last = latest();
  const stopButton = /** @type {HTMLButtonElement} */ (document.getElementById("rule-stop"));
  let [stop, before] = [() => {}, null];

  function show({ running = false, message = "", done = 0, wanted = 0, error = "" }) {
    line.textContent = error || message;
    line.className = `pg-rule-line${error ? " pg-error" : ""}`;
    Object.assign(bar, { max: Math.max(1, wanted), value: done, hidden: !wanted });
    root.replaceChildren(line, bar);
    stopButton.disabled = !running;
    Object.assign(root.dataset, { running, done });
    if (before !== null && before !== done) announceVotes();
    before = done;
  }

  async function look() {
    if (!root.isConnected) return;
    const status = await last(server.follow_rule({}));
    if (!status) return;
    show(status);
    if (status.running) return AGAIN;
  }

  follow(props, watch, () => {
    stop();
    stop = poll(look);
  });
}
