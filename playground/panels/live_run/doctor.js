// What the doctor says about the run that is looked at.

import { button, make, number } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { ask, pollSeen } from "../../../assets/server.js";

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
    const text = saved ? `Go on from step ${number(saved)} with` : "Start again with";
    card.append(button(`${text} ${describe(changes)}`, (event) => fork(event.target, finding)));
  }
  return card;
}

/**
 * The findings about the run that is looked at, which are looked for again and again.
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {(run: string) => unknown} forked
 */
export function doctorPart(server, forked) {
  const root = make("div", "pg-doctor");
  root.setAttribute("aria-live", "polite");
  let stop = () => {};

  const forkOf =
    (name) =>
    async (pressed, { changes, saved }) => {
      const answer = await busy(pressed, "Starting …", ask(server.fork({ name, step: saved, changes })));
      if (!answer.error) return forked(answer.run);
      pressed.after(make("p", "pg-error", answer.error));
    };

  const show = (findings, fork) => {
    const cards = findings.map((finding) => findingCard(finding, fork));
    const title = `The doctor has found ${cards.length === 1 ? "something" : `${cards.length} things`}`;
    root.replaceChildren(...(cards.length ? [make("h3", "", title), ...cards] : []));
  };

  const begin = (name) => {
    let shown = null; // what is drawn: a button must not be drawn anew under the pointer
    stop();
    root.replaceChildren();
    stop = pollSeen(root, async (signal) => {
      const { findings = [], error } = await ask(server.findings({ name }));
      if (signal.aborted) return;
      const now = JSON.stringify(findings);
      if (!error && now !== shown) {
        shown = now;
        show(findings, forkOf(name));
      }
      root.dataset.findings = findings.map(({ kind }) => kind).join(", ");
      return EVERY;
    });
  };
  return { root, begin };
}
