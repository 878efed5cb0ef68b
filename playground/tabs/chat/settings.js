// How each token is drawn: presets, the settings of sampling, and the precision of the weights.

import { button, make } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";
import { control, frame, select } from "../../panels/stage_form/fields.js";
import { conversation } from "./this_conversation.js";

/** @typedef {{name: string, about: string, values: Record<string, any>}} Preset */

/** Do the settings hold what a preset gives them? @param {Preset} preset @param {Record<string, any>} settings */
export const isChosen = ({ values }, settings) =>
  Object.entries(values).every(([name, value]) => settings[name] === value);

// A number with a slider below it.
function withSlider(made, { title, range: [low, high, step] }, changed) {
  const slider = Object.assign(make("input"), { type: "range", min: low, max: high, step });
  slider.setAttribute("aria-label", `${title}, slider`);
  slider.oninput = () => {
    made.put(Number(slider.value));
    changed();
  };
  made.root.append(slider);
  made.root.classList.add("pg-slid");
  const slide = (value) => {
    slider.value = value ?? low;
    slider.style.setProperty("--filled", `${(100 * (slider.value - low)) / (high - low)}%`);
  };
  const put = (value) => {
    made.put(value);
    slide(value);
  };
  return { ...made, put, slide };
}

/** @param {any} field @param {(values: Record<string, any>) => unknown} choose */
function controlOf(field, choose) {
  const changed = () => {
    made.slide?.(made.read());
    choose({ [field.name]: made.read() });
  };
  /** @type {any} */
  const plain = control(field, "chat", changed, () => {});
  const made = field.range ? withSlider(plain, field, changed) : plain;
  return made;
}

function presetRow(presets, choose) {
  const root = Object.assign(make("div", "pg-presets"), { id: "chat-presets" });
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Presets of sampling");
  const buttons = presets.map((preset) => {
    const node = button(preset.name, () => choose(preset.values), "pg-button pg-small");
    node.title = preset.about;
    return node;
  });
  root.append(...buttons);
  const update = (settings) =>
    presets.forEach((preset, i) => buttons[i].setAttribute("aria-pressed", String(isChosen(preset, settings))));
  return { root, update };
}

// The precision of the weights, which only a processor has a choice of.
function precisionControl(precisions, choose) {
  const names = precisions.map(([name]) => /** @type {[string, string]} */ ([name, name]));
  const said = make("p", "pg-note");
  const explain = (value) => {
    const [, what] = precisions.find(([name]) => name === value) ?? ["", ""];
    said.textContent = `${what.slice(0, 1).toUpperCase()}${what.slice(1)}. Fewer bits run faster.`;
  };
  const node = select(names, (precision) => {
    explain(precision);
    choose({ precision });
  });
  const root = frame("chat-precision", { title: "Precision" }, node, node);
  root.append(said);
  const put = (value) => {
    node.value = value;
    explain(value);
  };
  return { root, read: () => node.value, put };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-chat-settings");
  const { fields, presets, precisions, defaults } = props;
  const { choose } = conversation;
  const [main, more] = [make("div", "pg-fields"), fold("More settings")];
  const controls = new Map(fields.map((field) => [field.name, controlOf(field, choose)]));
  if (precisions.length) controls.set("precision", precisionControl(precisions, choose));
  const chosen = presetRow(presets, choose);
  more.body.classList.add("pg-fields");
  for (const field of fields) (field.main ? main : more.body).append(controls.get(field.name).root);
  if (precisions.length) more.body.prepend(controls.get("precision").root);

  // What was changed elsewhere: by a preset, by opening another conversation.
  function show() {
    const settings = conversation.settings();
    for (const [name, { read, put }] of controls) if (read() !== settings[name]) put(settings[name]);
    chosen.update(settings);
  }
  root.replaceChildren(chosen.root, main, more.root);
  for (const [name, { put }] of controls) put(defaults[name]);
  conversation.onChange(show);
  conversation.setDefaults(defaults);
}
