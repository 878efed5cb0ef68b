// Train tab: what the doctor says about the run that is looked at.
"use strict";

(() => {
  const { make, button, isVisible, ask, follow } = playground;
  const EVERY = 4000; // ms: findings change slowly

  const described = (changes) =>
    Object.entries(changes)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");

  function finding(found, fork) {
    const { title, step, evidence, meaning, advice, changes, saved } = found;
    const card = make("section", "pg-finding");
    card.append(make("h4", "", `${title} (from step ${step.toLocaleString("en")})`), make("p", "", evidence));
    card.append(make("p", "pg-note", `${meaning} ${advice}`));
    if (Object.keys(changes).length) {
      const where = saved ? `from step ${saved.toLocaleString("en")}` : "from the beginning";
      card.append(button(`Fork ${where} with ${described(changes)}`, (event) => fork(event.target, found)));
    }
    return card;
  }

  function doctor(element, props, watch, server, trigger) {
    const root = element.querySelector(".pg-doctor");
    root.setAttribute("aria-live", "polite");
    let generation = 0;

    follow(props, watch, ({ name }) => {
      const mine = ++generation;
      let shown = null; // what is drawn: a button must not be drawn anew under the pointer
      root.replaceChildren();

      const fork = async (pressed, { changes, saved }) => {
        pressed.disabled = true; // once
        const answer = await ask(server.fork({ name, step: saved, changes }));
        if (!answer.error) return trigger();
        pressed.disabled = false;
        pressed.after(make("p", "pg-error", answer.error));
      };

      const poll = async () => {
        if (mine !== generation || !root.isConnected) return;
        if (isVisible(element)) {
          const { findings = [], error } = await ask(server.findings({ name }));
          if (mine !== generation) return;
          const now = JSON.stringify(findings);
          if (!error && now !== shown) {
            shown = now;
            const cards = findings.map((found) => finding(found, fork));
            const title = `The doctor has found ${cards.length === 1 ? "something" : `${cards.length} things`}`;
            root.replaceChildren(...(cards.length ? [make("h3", "", title), ...cards] : []));
          }
          root.dataset.findings = findings.map(({ kind }) => kind).join(", ");
        }
        setTimeout(poll, EVERY);
      };
      poll();
    });
  }

  Object.assign(playground, { doctor });
})();
