// What is to be compared: the settings of a kind of comparison, its button, and how long that takes.

import { about, button, duration, make } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";
import { busy } from "../../../assets/press.js";
import { ask, debounce, latest } from "../../../assets/server.js";
import { control } from "../../panels/stage_form/fields.js";

const RESTED = 300; // ms until a plan is asked for after a change
/** @type {Record<string, {start: string, lead: string, about: string, empty: string}>} of each kind */
export const TEXTS = {
  methods: {
    start: "Compare",
    lead: "One parent, one rule, six methods ",
    about:
      "All methods begin with the same model and are to please the same rule. It votes on pairs of answers, from " +
      "which DPO and the reward model of PPO learn; it rewards the answers of GRPO; and of n answers it picks " +
      "the best (best-of-n, where nothing is learned). The dial goes from the parent to what DPO has made (a = 1) " +
      "and beyond; steering adds the difference of preferred and rejected answers to what the middle layer says. " +
      "Each training is its stage's own, and is measured at some of its steps.",
    empty: "Nothing has been compared yet. Press Compare: the first points come within a minute.",
  },
  goodhart: {
    start: "Push",
    lead: "When a measure becomes a target, it ceases to be a good measure ",
    about:
      "The rule is what is wanted, and it can be counted. It votes on pairs of answers by the parent, and reward " +
      "models learn from few of its votes and from many. Then each is pushed against, by best-of-n and by PPO " +
      "without a price of KL, and both are measured: what the reward model says, and what the rule says (Gao et al. " +
      "2022).",
    empty: "Nothing has been pushed yet. Press Push: best-of-n shows within about two minutes, PPO after it.",
  },
};

/**
 * @param {{name: string, fields: import("../../panels/stage_form/fields.js").Field[]}} kind
 * @param {Record<string, (request?: any) => Promise<any>>} server
 * @param {(name: string) => unknown} started
 */
export function formOf({ name: kind, fields }, server, started) {
  const [plan, said, main] = [make("p", "pg-note"), make("p", "pg-error"), make("div", "pg-fields")];
  for (const node of [plan, said]) node.setAttribute("role", "status");
  const last = latest();
  const request = () => ({
    kind,
    values: Object.fromEntries(fields.map(({ name }) => [name, parts.get(name).read()])),
  });
  const look = debounce(async () => {
    const found = await last(server.plan_methods(request()));
    if (!found) return;
    plan.className = found.error ? "pg-error" : "pg-note";
    plan.textContent = found.error ?? `About ${duration(found.seconds)} on two cores that do nothing else.`;
  }, RESTED);
  const parts = new Map(fields.map((field) => [field.name, control(field, kind, look, () => {})]));
  const more = fold("More settings");
  more.body.classList.add("pg-fields");
  for (const { name, main: isMain } of fields) (isMain ? main : more.body).append(parts.get(name).root);
  const press = button(TEXTS[kind].start, () => begin(), "pg-button pg-primary");
  press.id = `${kind}-start`;
  const begin = async () => {
    const found = await busy(press, "Starting …", ask(server.start_methods(request())));
    said.textContent = found.error ?? "";
    if (found.name) started(found.name);
  };
  const [root, lead, start] = [make("div", "pg-form"), make("p", "pg-note", TEXTS[kind].lead), make("div", "pg-start")];
  lead.append(about(TEXTS[kind].about));
  start.append(press, plan, said);
  root.append(lead, main, start, more.root);
  let filled = false;
  /** @param {{error?: string, [kind: string]: any}} found what open_methods answers */
  const fill = (found) => {
    if (found.error) return void (said.textContent = found.error);
    const { choices, values } = found[kind];
    for (const [name, some] of Object.entries(choices)) parts.get(name).offer(some);
    if (!filled) for (const [name, value] of Object.entries(values)) parts.get(name).put(value);
    filled = true;
    look();
  };
  return { root, fill };
}
