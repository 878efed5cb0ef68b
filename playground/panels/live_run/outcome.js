// What a run has changed: figures while it goes on, and once it has ended the verdict, with what can be done next.

import { button, facts, make } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { ask } from "../../../assets/server.js";
import { points } from "./log.js";
import { tellChanged } from "./looked_at.js";
import { chatWithBoth, compareBoth, voteBlind } from "./onward.js";
import { changesIn } from "./samples.js";

/**
 * See core/diagnostics/verdict.py, and `outcome` in server.py: `before` is the parent, if it is still there.
 * @typedef {{changed: string, certainty: string, next: string, actions: string[]}} Verdict
 * @typedef {{verdict: Verdict | null, before?: string | null, error?: string}} Outcome
 */

/** What each action says, what it is for, and where it leads. @type {Record<string, [string, string, Function]>} */
const ONWARD = {
  compare: ["Compare", "Both models on the same held-out prompts", compareBoth],
  chat: ["Chat with both", "Each line is answered by both, side by side", chatWithBoth],
  vote: ["Vote blind", "Which answer is better? Who wrote it is said afterwards", voteBlind],
};
const KEEP = "keep_or_delete";

const METRICS = [
  // what is measured, its name, digits
  ["kl/val", "KL from the parent, nats", 1],
  ["score/val", "held-out score", 2],
  ["reward/val", "held-out reward", 2],
  ["margin/val", "held-out margin", 2],
  ["loss/val", "held-out loss", 2],
  ["bpb/val", "bits per byte", 3],
];
const LATER = "When the run has ended, its verdict stands here: what changed, how sure that is, and what to do next.";

/**
 * What has changed so far, as [what, from and to].
 * @param {import("./samples.js").Answers[]} lines
 * @param {import("./log.js").Log} log
 * @returns {[string, string][]}
 */
export function figuresOf(lines, log) {
  /** @type {[string, string][]} */
  const found = [];
  const changes = changesIn(lines);
  if (changes) {
    const [before, now] = [lines[0], lines[lines.length - 1]].map(({ words }) => words.toFixed(1));
    const changed = changes.pairs.filter((pair) => pair.changed).length;
    found.push(["answers changed", `${changed} of ${changes.pairs.length}`], ["words an answer", `${before} → ${now}`]);
  }
  for (const [metric, name, digits] of METRICS) {
    const { y } = points(log, /** @type {string} */ (metric));
    const [first, last] = [y[0], y.at(-1)].map((value) => value?.toFixed(Number(digits)));
    if (y.length) found.push([String(name), metric === "kl/val" || first === last ? last : `${first} → ${last}`]);
  }
  return found;
}

// "Keep or delete": under which name, or away with it. It stands where the buttons stood.
function keeping(name, server, { done, say, look }) {
  const field = Object.assign(make("input", "pg-vote-name"), { value: name });
  field.setAttribute("aria-label", `Name under which ${name} is kept`);
  const keep = button("Keep", async () => {
    const typed = field.value.trim();
    if (typed !== name) {
      const answer = await busy(keep, "Renaming …", ask(server.rename_run({ name, new: typed })));
      if (answer.error) return say(answer.error);
      tellChanged();
      return look(answer.run);
    }
    done();
    say(`${typed} is kept.`);
  });
  const remove = button("Delete", async () => {
    const answer = await busy(remove, "Deleting …", ask(server.delete_run({ name })));
    if (answer.error) return say(answer.error);
    tellChanged();
    look(null);
  });
  remove.title = "To the trash: Models can bring it back";
  return [field, keep, remove, button("Back", done)];
}

/**
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {(run: string | null) => unknown} look at another run; null: at the latest
 */
export function outcomePart(server, look) {
  const root = make("section", "pg-outcome");
  const [body, tools, said] = [make("div", "pg-outcome-body"), make("div", "pg-tools"), make("p", "pg-note")];
  const title = make("h3", "", "What changed");
  said.setAttribute("role", "status");
  body.tabIndex = 0; // where it is low, it is scrolled
  root.append(title, body, tools, said);
  let [key, given] = ["", false];
  const say = (/** @type {string} */ text) => (said.textContent = text);

  const offer = (/** @type {string} */ name, /** @type {string[]} */ actions, /** @type {string | null} */ before) => {
    const onward = Object.keys(ONWARD).filter((action) => actions.includes(action));
    const pressable = onward.map((action) => {
      const [text, about, go] = ONWARD[action];
      const pressed = button(before ? text : "Chat with it", () => busy(pressed, "Opening …", go(name, before)));
      return Object.assign(pressed, { title: about });
    });
    pressable[0]?.classList.add("pg-primary");
    const choose = button("Keep or delete", () => {
      tools.replaceChildren(...keeping(name, server, { done, say, look }));
      tools.querySelector("input")?.select();
    });
    const done = () => tools.replaceChildren(...pressable, ...(actions.includes(KEEP) ? [choose] : []));
    done();
  };

  const show = (/** @type {string} */ name, /** @type {Verdict} */ verdict, /** @type {string | null} */ before) => {
    const { changed, certainty, next, actions } = verdict;
    title.textContent = "Verdict";
    body.replaceChildren(...[changed, certainty, next].map((sentence) => make("p", "", sentence)));
    root.dataset.verdict = "given";
    offer(name, actions, before);
  };

  const clear = () => {
    title.textContent = "What changed";
    tools.replaceChildren();
    say("");
    delete root.dataset.verdict;
    [key, given] = ["", false];
  };

  /**
   * What has changed so far; the verdict as soon as there is one.
   * @param {string} name
   * @param {{state: string, step: number, active: boolean}} status
   * @param {import("./samples.js").Answers[]} lines
   * @param {import("./log.js").Log} log
   */
  const update = async (name, { state, step, active }, lines, log) => {
    const now = `${name} ${state} ${step}`;
    if (given && now !== key) clear(); // it goes on
    if (!given) {
      const found = figuresOf(lines, log);
      body.replaceChildren(...(found.length ? [facts(found)] : []), ...(active ? [make("p", "pg-note", LATER)] : []));
    }
    if (active || now === key) return;
    key = now;
    const { verdict, before = null, error = "" } = /** @type {Outcome} */ (await ask(server.outcome({ name })));
    if (key !== now) return; // another run is looked at by now
    if (error) return say(error);
    if (!verdict) return;
    given = true;
    show(name, verdict, before);
  };
  return { root, update, clear };
}
