// What the doctor says about the run that is looked at.

import { button, make, number } from "../../../assets/dom.js";
import { ask, pollWhenSeen } from "../../../assets/server.js";

const EVERY = 4000; // ms: findings change slowly

const describe = (changes) =>
  Object.entries(changes)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

function findingCard(finding, fork) {
  const { title, step, evidence, meaning, advice, changes, saved } = finding;
  const card = make("section", "pg-finding");
  card.append(make("h4", "", `${title} (from step ${number(step)})`), make("p", "", evidence));
  card.append(make("p", "pg-note", `${meaning} ${advice}`));
  if (Object.keys(changes).length) {
    const where = saved ? `from step ${number(saved)}` : "from the beginning";
    card.append(button(`Fork ${where} with ${describe(changes)}`, (event) => fork(event.target, finding)));
  }
  return card;
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server, trigger }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-doctor");
  root.setAttribute("aria-live", "polite");

  const forkOf =
    (name) =>
    async (pressed, { changes, saved }) => {
      pressed.disabled = true; // once
      const answer = await ask(server.fork({ name, step: saved, changes }));
      if (!answer.error) return trigger("changed");
      pressed.disabled = false;
      pressed.after(make("p", "pg-error", answer.error));
    };

  const show = (findings, fork) => {
    const cards = findings.map((finding) => findingCard(finding, fork));
    const title = `The doctor has found ${cards.length === 1 ? "something" : `${cards.length} things`}`;
    root.replaceChildren(...(cards.length ? [make("h3", "", title), ...cards] : []));
  };

  pollWhenSeen(root, props, watch, ({ name }) => {
    let shown = null; // what is drawn: a button must not be drawn anew under the pointer
    root.replaceChildren();
    return async (signal) => {
      const { findings = [], error } = await ask(server.findings({ name }));
      if (signal.aborted) return;
      const now = JSON.stringify(findings);
      if (!error && now !== shown) {
        shown = now;
        show(findings, forkOf(name));
      }
      root.dataset.findings = findings.map(({ kind }) => kind).join(", ");
      return EVERY;
    };
  });
}
