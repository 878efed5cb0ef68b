// The control of a setting, with its name and what is said of it.

import { about, button, make } from "../../../assets/dom.js";
import { combobox } from "./combobox.js";

/**
 * See playground/panels/stage_form/fields.py.
 * @typedef {{name: string, title: string, help: string, kind: string, choices: string[], main: boolean}} Field
 * @typedef {object} Control
 * @property {HTMLElement} root
 * @property {() => any} read what is in it, as JSON has it; null of an empty number
 * @property {(value: any) => void} put
 * @property {(choices: [string, string][]) => void} [offer]
 */

/**
 * A frame around a control: its label, the code's name for it, and what it means, behind an (i) or below.
 * @param {string} id
 * @param {{title: string, name?: string, help?: string, folded?: boolean}} said
 * @param {HTMLElement} control
 * @param {HTMLElement} input which the label names
 */
export function frame(id, { title, name = "", help = "", folded = false }, control, input) {
  const root = Object.assign(make("div", "pg-field"), { id });
  const [head, label] = [make("div", "pg-field-head"), make("label", "", title)];
  input.id ||= `${id}-input`;
  Object.assign(label, { htmlFor: input.id });
  head.append(label);
  if (help && !folded) head.append(about(help));
  const named = make("div", "pg-field-name");
  if (name) named.append(make("code", "", name));
  root.append(head, named, control);
  if (help && folded) root.append(make("p", "pg-note", help));
  return root;
}

/** @param {[string, string][]} choices value and text @param {(value: string) => unknown} onchange */
export function select(choices, onchange) {
  const node = make("select");
  node.append(...choices.map(([value, text]) => new Option(text, value)));
  node.onchange = () => onchange(node.value);
  return node;
}

const controls = {
  box: (changed) => {
    const input = Object.assign(make("input"), { type: "checkbox", onchange: changed });
    return { input, read: () => input.checked, put: (value) => (input.checked = value) };
  },
  text: (changed) => {
    const input = Object.assign(make("textarea"), { rows: 1, oninput: changed });
    return { input, read: () => input.value, put: (value) => (input.value = value) };
  },
  choice: (changed, { choices }) => {
    const pairs = choices.map((name) => /** @type {[string, string]} */ ([name, name]));
    const input = select(pairs, changed);
    return { input, read: () => input.value, put: (value) => (input.value = value) };
  },
  name: (changed, { id, onopen }) => {
    const { root, input, ...control } = combobox(`${id}-input`, changed, onopen);
    return { root, input, ...control };
  },
};
const number = (changed) => {
  const input = Object.assign(make("input"), { type: "number", step: "any", oninput: changed });
  const read = () => (input.value === "" ? null : Number(input.value));
  return { input, read, put: (value) => (input.value = value ?? "") };
};

/**
 * @param {Field} field
 * @param {string} prefix of its id
 * @param {() => unknown} changed
 * @param {() => unknown} onopen the list of a setting that names something is about to be looked at
 * @returns {Control}
 */
export function control(field, prefix, changed, onopen) {
  const id = `${prefix}-${field.name}`;
  const made = (controls[field.kind] ?? number)(changed, { ...field, id, onopen });
  const root = frame(id, { ...field, folded: !field.main }, made.root ?? made.input, made.input);
  root.classList.toggle("pg-narrow", !["text", "name"].includes(field.kind));
  return { ...made, root };
}

/**
 * A button at a control.
 * @param {HTMLElement} root
 * @param {string} text
 * @param {string} id
 * @param {() => unknown} act
 */
export function addButton(root, text, id, act) {
  const added = Object.assign(button(text, act, "pg-button pg-small"), { id });
  root.querySelector(".pg-field-name").append(added);
  return added;
}
