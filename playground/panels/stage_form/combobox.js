// A text field with a list: one chooses from the list, or types what is not in it.

import { make } from "../../../assets/dom.js";

/** @typedef {[string, string]} Choice what is read, and its value */

/**
 * @param {string} id of the field
 * @param {(value: string) => unknown} onchange
 * @param {() => unknown} [onopen] the list is about to be looked at
 */
export function combobox(id, onchange, onopen = () => {}) {
  const [root, input, list] = [make("div", "pg-combo"), make("input"), make("ul", "pg-combo-list")];
  Object.assign(input, { id, type: "text", autocomplete: "off", spellcheck: false });
  Object.assign(list, { id: `${id}-list`, hidden: true });
  list.setAttribute("role", "listbox");
  for (const [name, value] of Object.entries({ role: "combobox", "aria-expanded": "false", "aria-controls": list.id }))
    input.setAttribute(name, value);
  root.append(input, list);
  let [value, at] = ["", -1];
  /** @type {Choice[]} */
  let choices = [];

  const labelOf = (one) => choices.find(([, known]) => known === one)?.[0] ?? one;
  const valueOf = (text) => choices.find(([label]) => label === text)?.[1] ?? text;
  const shown = () => [...list.children];

  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const put = (one) => {
    value = one;
    input.value = labelOf(one);
    input.title = input.value;
  };
  const commit = (one) => {
    close();
    const before = value;
    put(one);
    if (one !== before) onchange(one);
  };
  const option = ([label, one], i) => {
    const item = Object.assign(make("li", "", label), { id: `${list.id}-${i}` });
    item.setAttribute("role", "option");
    item.setAttribute("aria-label", label);
    item.setAttribute("aria-selected", String(one === value));
    item.onpointerdown = (event) => event.preventDefault(); // the field keeps the focus
    item.onclick = () => commit(one);
    return item;
  };
  const open = (typed = "") => {
    const wanted = choices.filter(([label]) => label.toLowerCase().includes(typed.toLowerCase()));
    at = -1;
    list.replaceChildren(...wanted.map(option));
    list.hidden = !wanted.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  const move = (by) => {
    if (list.hidden) return open();
    const items = shown();
    at = (at + by + items.length) % items.length;
    items.forEach((item, i) => item.classList.toggle("pg-combo-here", i === at));
    items[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", items[at].id);
  };
  const keys = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => (list.hidden || at < 0 ? commit(valueOf(input.value)) : shown()[at].click()),
    Escape: () => (list.hidden ? put(value) : close()),
  };
  input.onkeydown = (event) => {
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };
  input.onclick = () => {
    onopen();
    if (list.hidden) open();
    else close();
  };
  input.oninput = () => open(input.value);
  input.onblur = () => commit(valueOf(input.value));

  const offer = (/** @type {Choice[]} */ some) => {
    const known = JSON.stringify(some) === JSON.stringify(choices);
    choices = some;
    if (!list.hidden && !known) open(); // else what is just being pressed stays where it is
    if (document.activeElement !== input) put(value);
  };
  return { root, input, read: () => value, put, offer };
}
