// What a run has learned, with the step and what that was seen by: a list, marks on the loss curve, heads to cut out.

import { button, make, number } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { ask } from "../../../assets/server.js";

/**
 * See core/skills/skill.py; `head` is (layer, head), both from 0.
 * @typedef {{title: string, sentence: string, step: number, evidence: string, head: [number, number] | null}} Skill
 * @typedef {{step: number, number: number, skills: Skill[]}} Mark what was learned at one step
 */

const LOOKS = 10; // at a run, after an evaluation, until it has measured its skills as well

/**
 * Skills, which come by step, as they are marked on the curve.
 * @param {Skill[]} skills
 * @returns {Mark[]}
 */
export function marksOf(skills) {
  const steps = [...new Set(skills.map(({ step }) => step))];
  return steps.map((step, i) => ({ step, number: i + 1, skills: skills.filter((skill) => skill.step === step) }));
}

/**
 * What is new since the last look, in a sentence; "" if nothing.
 * @param {Skill[]} before
 * @param {Skill[]} now
 */
export function newsOf(before, now) {
  const known = new Set(before.map(({ title }) => title));
  const fresh = now.filter(({ title }) => !known.has(title));
  if (!fresh.length) return "";
  return `Just learned: ${fresh.map(({ title, step }) => `${title} (step ${number(step)})`).join(", ")}.`;
}

// One skill in words; of a head's, a button that cuts it out.
function explained({ title, sentence, step, evidence, head }, cut) {
  const root = make("div", "pg-skill-said");
  root.append(
    make("h4", "", `${title}, step ${number(step)}`),
    make("p", "", sentence),
    make("p", "pg-note", evidence),
  );
  if (!head) return root;
  const said = make("p");
  said.setAttribute("role", "status");
  const pressed = button("Cut it out and see", async () => {
    const found = await busy(pressed, "Measuring …", cut(head));
    said.className = found.error ? "pg-error" : "";
    said.textContent = found.error ?? found.said;
  });
  pressed.title = "The loss on held-out text with this head, and with its output set to 0";
  root.append(pressed, said);
  return root;
}

/**
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {(marks: Mark[], pointed: number | null) => unknown} mark draws them on the curve
 */
export function skillsPart(server, mark) {
  const root = make("section", "pg-skills");
  const [news, list, shown, told] = [
    make("p", "pg-skills-news"),
    make("ol", "pg-skill-list"),
    make("div"),
    make("p", "pg-note"),
  ];
  news.setAttribute("role", "status");
  const measure = button("Measure it now", () => look("measure_skills", measure), "pg-button pg-small");
  root.append(make("h3", "", "What it has learned"), news, list, shown, told, measure);
  let [name, left, open] = ["", 0, ""];
  /** @type {{skills: Skill[] | null, told?: string[], last?: number | null, unmeasured?: number}} */
  let found = { skills: null };
  let wanted = -1; // the step of the latest evaluation

  const choose = (/** @type {string} */ title) => {
    open = title;
    const skill = found.skills?.find((one) => one.title === title);
    shown.replaceChildren(...(skill ? [explained(skill, (head) => ask(server.cut_out({ name, head })))] : []));
    for (const item of list.querySelectorAll("button"))
      item.setAttribute("aria-pressed", String(item.dataset.skill === title));
  };

  const draw = () => {
    const marks = marksOf(found.skills ?? []);
    const item = (skill, place) => {
      const pressed = button("", () => choose(open === skill.title ? "" : skill.title), "pg-button pg-skill");
      const point = (/** @type {number | null} */ at) => mark(marks, at);
      pressed.dataset.skill = skill.title;
      pressed.append(
        make("span", "pg-skill-mark", place),
        make("strong", "", skill.title),
        make("span", "pg-note", `step ${number(skill.step)}`),
      );
      Object.assign(pressed, { onfocus: () => point(place), onblur: () => point(null) });
      const line = make("li");
      line.append(pressed);
      return line;
    };
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.skill;
    list.replaceChildren(...marks.flatMap(({ skills, number: place }) => skills.map((skill) => item(skill, place))));
    told.textContent = (found.told ?? []).join(" ");
    measure.hidden = !found.unmeasured;
    root.hidden = found.skills === null;
    choose(found.skills?.some(({ title }) => title === open) ? open : "");
    if (focused) list.querySelector(`[data-skill="${CSS.escape(focused)}"]`)?.focus();
    return mark(marks, null);
  };

  const look = async (what = "skills", pressed = null) => {
    const mine = name;
    const asked = ask(server[what]({ name: mine }));
    const answer = await (pressed ? busy(pressed, "Measuring …", asked) : asked);
    if (mine !== name) return;
    if (answer.error) return void (told.textContent = answer.error);
    const isFirst = found.skills === null;
    const fresh = isFirst ? "" : newsOf(found.skills ?? [], answer.skills ?? []);
    const changed = JSON.stringify(answer) !== JSON.stringify(found);
    found = answer;
    if (fresh) news.textContent = fresh;
    if (changed) await draw();
  };

  return {
    root,
    /** @param {string} run */
    begin: (run) => {
      [name, left, open, wanted, found] = [run, 1, "", -1, { skills: null }];
      news.textContent = "";
      root.hidden = true;
      mark([], null);
    },
    /**
     * What has come since the last look at the run.
     * @param {{restart: boolean, samples: {step: number}[], status: any}} news
     */
    update: async ({ restart, samples, status }) => {
      wanted = Math.max(restart ? -1 : wanted, ...samples.map(({ step }) => step));
      if (restart) found = { skills: null };
      if (restart || samples.length) left = status.active ? LOOKS : 1;
      if (left-- <= 0) return;
      await look();
      if ((found.last ?? -1) >= wanted) left = 0;
    },
  };
}
