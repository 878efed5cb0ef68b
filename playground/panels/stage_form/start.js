// The Start button, and what is asked before something is started that does not fit.

import { button, make } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";

/**
 * @param {string} id of the form
 * @param {(answer: string) => Promise<any>} start what came of it: {run}, {asks} or {error}; see server.py
 * @param {(found: any) => void} started
 */
export function startPart(id, start, started) {
  const [root, said] = [make("div", "pg-start"), make("div", "pg-start-said")];
  said.setAttribute("role", "status");
  const press = Object.assign(
    button("Start training", () => act(press, ""), "pg-button pg-primary"),
    { id: `${id}-start` },
  );

  const act = async (pressed, answer) => {
    const found = await busy(pressed, "Starting …", start(answer));
    said.replaceChildren(...(found.error ? [make("p", "pg-error", found.error)] : []));
    if (found.asks) ask(found.asks);
    if (found.run) started(found);
  };
  const ask = (sentence) => {
    const answer = (text, what, look) => {
      const pressed = button(text, () => act(pressed, what), look);
      return pressed;
    };
    const answers = make("div", "pg-tools");
    answers.append(
      answer("Fit it for me", "fit", "pg-button pg-primary"),
      answer("Start anyway", "anyway", "pg-button"),
      button("Cancel", () => said.replaceChildren()),
    );
    said.replaceChildren(make("p", "", `This will not fit: ${sentence}.`), answers);
    /** @type {HTMLElement} */ (answers.firstChild).focus();
  };
  root.append(press, said);
  return { root };
}
