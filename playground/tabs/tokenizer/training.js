// How far the training of a vocabulary is.

import { make, number } from "../../../assets/dom.js";
import { ask, follow, poll } from "../../../assets/server.js";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server, trigger }) {
  const root = element.querySelector(".pg-learning");
  const [line, bar] = [make("p", "pg-state"), make("progress", "pg-progress")];
  line.setAttribute("role", "status");
  bar.setAttribute("aria-label", "Merges learned");
  let before = null;

  async function look() {
    if (!root.isConnected) return;
    const { name, state, message, done, wanted, error } = await ask(server.training({}));
    if (error) line.replaceChildren(make("span", "pg-error", error));
    else if (state !== "none") {
      const merges = wanted ? ` · ${number(done)} of ${number(wanted)} merges` : "";
      line.replaceChildren(make("strong", `pg-badge pg-${state}`, state), ` ${name} · ${message}${merges}`);
      Object.assign(bar, { max: Math.max(1, wanted), value: state === "finished" ? Math.max(1, wanted) : done });
      root.replaceChildren(line, bar);
    }
    if (before === "running" && state !== "running") trigger("changed"); // there is a new vocabulary, or there is not
    before = state;
    return state === "running" ? 250 : 3000;
  }

  let stop = poll(look);
  follow(props, watch, () => {
    before = "running"; // begun just now; it may be over already
    stop();
    stop = poll(look);
  });
}
