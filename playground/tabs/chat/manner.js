// Who answers beside the model, in whose voice, and what is read before all: folded, with a line that says it.

import { make } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";
import { latest } from "../../../assets/server.js";
import { combobox } from "../../panels/stage_form/combobox.js";
import { frame, select } from "../../panels/stage_form/fields.js";
import { conversation } from "./this_conversation.js";

const [ALONE, NOBODY] = ["no second model", "nobody in particular"];
const DIAL = [-1, 2, 0.05]; // least, most, step: see core/rlhf/task_vectors.py
const HELP = {
  dial: "How much of what it has learned since then: 0 answers as the parent, 1 as it is",
  beside: "Answers the same lines; your vote between the two is kept",
  persona: "A character, or any name you type",
  system: "Read before your first line; these models were not trained to follow it",
};

/** @param {Record<string, any>} settings */
export const summary = ({ model, beside, persona, system, dial = 1 }) =>
  [
    model ?? "no model",
    ...(dial === 1 ? [] : [`dial ${dial}`]),
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

// Between the model and its parent, where it has one.
function makeDial() {
  const [least, most, step] = DIAL;
  const input = Object.assign(make("input"), { type: "range", min: least, max: most, step });
  const root = frame("chat-dial", { title: "Dial", help: HELP.dial, folded: true }, input, input);
  const [label, trouble] = [root.querySelector("label"), make("p", "pg-note")];
  let parent = "";
  const say = (dial) => (label.textContent = `Dial: ${dial.toFixed(2)} from ${parent}`);
  input.oninput = () => {
    const dial = Number(input.value);
    say(dial);
    conversation.choose({ dial, dialled: conversation.model() });
  };
  root.append(trouble);
  root.classList.add("pg-slid");
  const put = (/** @type {number} */ dial) => {
    input.value = String(dial);
    say(dial);
  };
  /** @param {{parent: string, why: string}} found */
  const offer = (found) => {
    parent = found.parent;
    root.hidden = !parent && !found.why;
    input.disabled = !parent;
    trouble.textContent = found.why;
    put(conversation.settings().dial ?? 1); // the defaults may still be under way
    if (!parent) label.textContent = "Dial";
  };
  return { root, read: () => Number(input.value), put, offer };
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
  const dial = makeDial();
  return { beside, persona, system, dial, roots: [...roots, dial.root] };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-manner");
  const { beside, persona, system, dial, roots } = makeControls();
  /** @type {{models: string[], personas: string[], dial: {parent: string, why: string}}} */
  let there = { models: [], personas: [], dial: { parent: "", why: "" } };
  const last = latest();
  let asked = ""; // the model of which it is known whether it has a dial

  function offer() {
    const { beside: chosen = "" } = conversation.settings();
    beside.replaceChildren(...besideChoices(there.models, chosen).map(([value, text]) => new Option(text, value)));
    beside.value = chosen;
    persona.offer([[NOBODY, ""], ...there.personas.map((name) => /** @type {[string, string]} */ ([name, name]))]);
  }

  const refresh = async () => {
    asked = conversation.model() ?? "";
    const found = await last(server.who_can_answer({ model: asked }));
    if (!found) return;
    if (!found.error) there = found;
    offer();
    dial.offer(there.dial);
  };
  const part = fold("", refresh);
  part.root.id = "chat-manner";
  part.body.classList.add("pg-manner-fields");
  part.body.append(...roots);
  root.replaceChildren(part.root);
  offer();
  dial.offer(there.dial);

  function show() {
    if (!conversation.isReady()) return;
    const settings = conversation.settings();
    part.root.firstElementChild.textContent = summary(settings);
    if (beside.value !== settings.beside) offer();
    if (persona.read() !== settings.persona) persona.put(settings.persona);
    if (system.value !== settings.system) system.value = settings.system;
    if (part.isOpen() && asked !== settings.model) refresh();
    else if (there.dial.parent && dial.read() !== settings.dial) dial.put(settings.dial);
  }
  conversation.onChange(show);
  show();
  new IntersectionObserver(() => part.isOpen() && refresh()).observe(root); // a model may have been made meanwhile
}
