// How far the training of a vocabulary is, and where to see what came of it.

import { about, button, make, number } from "../../../assets/dom.js";
import { ask, follow, poll } from "../../../assets/server.js";
import { goTo } from "../../tour/places.js";

const ABOUT =
  "Training a vocabulary counts pairs of neighbours, merges the most frequent one, and begins again. Its size is 256 " +
  "bytes, 3 special tokens and, for the rest, merges. Give it a text in your language or a program's source, then " +
  "compare its tokens with GPT-2's. It gets a directory of its own beside the models.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server, trigger }) {
  const root = element.querySelector(".pg-learning");
  const [line, bar, tools] = [make("p", "pg-state"), make("progress", "pg-progress"), make("div", "pg-tools")];
  line.setAttribute("role", "status");
  bar.setAttribute("aria-label", "Merges learned");
  const halt = button("Stop", async () => {
    halt.disabled = true;
    await ask(server.stop({})); // what came of it is looked at below
  });
  const see = button("See your text in it", () => {
    trigger("see");
    goTo("tokenizer", "Tokens");
  });
  halt.id = "vocabulary-stop";
  see.classList.add("pg-primary");
  root.firstElementChild.append(" ", about(ABOUT));
  let before = null;

  function draw({ name, state, message, done, wanted }) {
    const merges = wanted ? ` · ${number(done)} of ${number(wanted)} merges` : "";
    line.replaceChildren(
      make("strong", `pg-badge pg-${state}`, state),
      ` ${name} · ${message}${merges} `,
      about(ABOUT),
    );
    Object.assign(bar, { max: Math.max(1, wanted), value: state === "finished" ? Math.max(1, wanted) : done });
    tools.replaceChildren(...({ running: [halt], finished: [see] }[state] ?? []));
    root.replaceChildren(line, bar, tools);
  }

  async function look() {
    if (!root.isConnected) return;
    const answer = await ask(server.training({}));
    const { state, error } = answer;
    if (error) line.replaceChildren(make("span", "pg-error", error));
    else if (state !== "none" && JSON.stringify(answer) !== root.dataset.seen) draw(answer);
    root.dataset.seen = JSON.stringify(answer);
    if (state !== "running") halt.disabled = false;
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
