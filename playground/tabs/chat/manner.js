// Who answers beside the model, in whose voice, and what is read before all: folded, with a line that says it.

import { make } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";
import { ask } from "../../../assets/server.js";
import { combobox } from "../../panels/stage_form/combobox.js";
import { frame, select } from "../../panels/stage_form/fields.js";
import { conversation } from "./this_conversation.js";

const [ALONE, NOBODY] = ["no second model", "nobody in particular"];
const HELP = {
  beside: "Answers the same lines; your vote between the two is kept",
  persona: "A character, or any name you type",
  system: "Read before your first line; these models were not trained to follow it",
};

/** @param {Record<string, any>} settings */
export const summary = ({ model, beside, persona, system }) =>
  [
    model ?? "no model",
    beside ? `beside ${beside}` : ALONE,
    persona ? `speaks as ${persona}` : NOBODY,
    ...(system.trim() ? ["a system text"] : []),
    "change",
  ].join(" · ");

/**
 * The models that can answer beside another; one that was chosen and is gone is still named.
 * @param {string[]} models
 * @param {string} chosen
 * @returns {[string, string][]} value and text
 */
export function besideChoices(models, chosen) {
  const gone = chosen && !models.includes(chosen) ? [[chosen, `${chosen} (not there any more)`]] : [];
  return /** @type {[string, string][]} */ ([["", ALONE], ...models.map((name) => [name, name]), ...gone]);
}

function makeControls() {
  const beside = select([["", ALONE]], (name) => conversation.choose({ beside: name }));
  const persona = combobox("chat-persona-input", (name) => conversation.choose({ persona: name.trim() }));
  const system = Object.assign(make("textarea"), { rows: 1, maxLength: 2000 });
  system.oninput = () => conversation.choose({ system: system.value });
  const roots = [
    frame("chat-beside", { title: "Second model", help: HELP.beside, folded: true }, beside, beside),
    frame("chat-persona", { title: "Speak as", help: HELP.persona, folded: true }, persona.root, persona.input),
    frame("chat-system", { title: "System text", help: HELP.system, folded: true }, system, system),
  ];
  return { beside, persona, system, roots };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-manner");
  const { beside, persona, system, roots } = makeControls();
  /** @type {{models: string[], personas: string[]}} */
  let there = { models: [], personas: [] };

  function offer() {
    const { beside: chosen = "" } = conversation.settings();
    beside.replaceChildren(...besideChoices(there.models, chosen).map(([value, text]) => new Option(text, value)));
    beside.value = chosen;
    persona.offer([[NOBODY, ""], ...there.personas.map((name) => /** @type {[string, string]} */ ([name, name]))]);
  }

  const refresh = async () => {
    const found = await ask(server.who_can_answer({}));
    if (!found.error) there = found;
    offer();
  };
  const part = fold("", refresh);
  part.root.id = "chat-manner";
  part.body.classList.add("pg-manner-fields");
  part.body.append(...roots);
  root.replaceChildren(part.root);
  offer();

  function show() {
    if (!conversation.isReady()) return;
    const settings = conversation.settings();
    part.root.firstElementChild.textContent = summary(settings);
    if (beside.value !== settings.beside) offer();
    if (persona.read() !== settings.persona) persona.put(settings.persona);
    if (system.value !== settings.system) system.value = settings.system;
  }
  conversation.onChange(show);
  show();
  new IntersectionObserver(() => part.isOpen() && refresh()).observe(root); // a model may have been made meanwhile
}
