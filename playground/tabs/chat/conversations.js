// The list of conversations: kept as they go on, found again by their names and by what was said.

import { button, isVisible, make, number } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";
import { ask, debounce, latest } from "../../../assets/server.js";
import { clear, connectList, conversation, replace } from "./this_conversation.js";

/**
 * See conversation_store.py.
 * @typedef {{id: string, name: string, model: string, turns: number, changed: string, damaged: boolean}} Entry
 */

const NARROW = "(max-width: 900px)"; // see style.css
const REST = 200; // ms without a key until it is searched

/**
 * When it changed: today the time, else the day.
 * @param {string} changed in ISO 8601
 * @param {Date} [now]
 */
export function timeText(changed, now = new Date()) {
  const when = new Date(changed);
  const isToday = when.toDateString() === now.toDateString();
  return isToday
    ? when.toLocaleTimeString("en-GB", { timeStyle: "short" })
    : when.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

/** What is said below a name. @param {Entry} entry */
export function entryText({ model, turns, changed, damaged }) {
  if (damaged) return "It is damaged and cannot be read.";
  return [model, turns === 1 ? "1 turn" : `${number(turns)} turns`, timeText(changed)].filter(Boolean).join(" · ");
}

/** Which of them are shown, where those are not all. @param {number} shown @param {number} found */
export const restText = (shown, found) =>
  shown < found ? `The latest ${number(shown)} of ${number(found)}: search for the others.` : "";

/**
 * @param {string} name
 * @param {string} held the model that answered
 * @param {string} there the same, or "" if it is gone
 */
export const openedText = (name, held, there) =>
  held && !there ? `${name} is open. ${held} is not there any more: the model above answers now.` : `${name} is open.`;

// In place of an entry: a field for its name.
function askForName(row, { name }, done) {
  const field = Object.assign(make("input", "pg-vote-name"), { value: name, maxLength: 100 });
  field.setAttribute("aria-label", "New name");
  const [save, cancel] = [button("Rename", () => done(field.value), "pg-button pg-small pg-primary"), () => done(null)];
  field.onkeydown = (event) => {
    const act = { Enter: () => done(field.value), Escape: cancel }[event.key];
    if (!act) return;
    event.preventDefault(); // or Enter would press the button that has the focus next
    event.stopPropagation();
    act();
  };
  row.replaceChildren(field, save, button("Cancel", cancel, "pg-button pg-small"));
  field.focus();
  field.select();
}

/**
 * @param {Entry} entry
 * @param {{open: (entry: Entry) => unknown, rename: (entry: Entry, name: string) => unknown,
 *   remove: (entry: Entry) => unknown, draw: () => unknown}} acts
 */
function rowOf(entry, acts) {
  const row = make("li", "pg-kept");
  const [open, line] = [button(entry.name, () => acts.open(entry), "pg-kept-name"), make("div", "pg-kept-row")];
  Object.assign(open, { disabled: entry.damaged, title: entry.name });
  if (entry.id === conversation.tree.id()) open.setAttribute("aria-current", "true");
  const named = (name) => {
    row.replaceChildren(open, line);
    rename.focus();
    return name === null ? acts.draw() : acts.rename(entry, name);
  };
  const rename = button("Rename", () => askForName(row, entry, named), "pg-button pg-small");
  const remove = button("Delete", () => acts.remove(entry), "pg-button pg-small");
  rename.setAttribute("aria-label", `Rename ${entry.name}`);
  remove.setAttribute("aria-label", `Delete ${entry.name}`);
  for (const [what, node] of Object.entries({ open, rename, remove })) node.dataset.key = `${entry.id}-${what}`;
  line.append(make("span", "pg-note", entryText(entry)), rename, remove);
  row.append(open, line);
  return row;
}

// What stands in the folded part.
function makeParts(search) {
  const [field, list, status] = [make("input", "pg-vote-note"), make("ul", "pg-kept-list"), make("p", "pg-note")];
  Object.assign(field, { type: "search", placeholder: "Search names and turns", oninput: debounce(search, REST) });
  field.setAttribute("aria-label", "Search conversations");
  status.setAttribute("role", "status");
  const say = (text, ...also) => status.replaceChildren(text, ...also);
  return { field, list, status, say };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-conversations");
  const part = fold("Conversations", () => look());
  part.root.id = "chat-list";
  const head = /** @type {HTMLElement} */ (part.root.firstElementChild);
  const { field, list, status, say } = makeParts(() => look());
  const last = latest();
  /** @type {Entry[]} */
  let entries = [];

  async function act(call, then = () => say("")) {
    const { error } = await ask(call);
    if (error) say(error);
    else then();
    return look();
  }

  const acts = {
    async open({ id, name }) {
      const { error, content, revision, model } = await ask(server.open_conversation({ id }));
      if (error) return say(error);
      if (!(await replace(id, content, revision, model))) return;
      say(openedText(name, content.settings.model, model));
      if (matchMedia(NARROW).matches && model) part.toggle(false); // it lies over the conversation there
    },
    rename: ({ id }, name) => act(server.rename_conversation({ id, name })),
    async remove({ id, name }) {
      if (id === conversation.tree.id()) await clear();
      const undo = button("Undo", () => act(server.restore_conversation({ id })), "pg-button pg-small");
      await act(server.delete_conversation({ id }), () => say(`${name} is deleted. `, undo));
      undo.focus();
    },
    draw,
  };

  // Not under somebody who is typing a name.
  function draw() {
    if (list.querySelector("input")) return;
    const key = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
    list.replaceChildren(...entries.map((entry) => rowOf(entry, acts)));
    if (key) /** @type {HTMLElement} */ (list.querySelector(`[data-key="${key}"]`))?.focus();
  }

  async function look() {
    if (!part.isOpen() || !isVisible(root)) return;
    const found = await last(server.list_conversations({ search: field.value }));
    if (!found) return;
    if (found.error) return say(found.error);
    entries = found.conversations;
    draw();
    const nothing = field.value.trim() ? "Nothing is called so, and nobody said it." : "Nothing has been said yet.";
    more.textContent = entries.length ? restText(entries.length, found.found) : nothing;
    damage.textContent = found.trouble;
  }

  const [more, damage] = [make("p", "pg-note"), make("p", "pg-error")];
  part.body.append(field, damage, list, more, status);
  root.replaceChildren(part.root);
  connectList(() => {
    part.toggle();
    head.focus();
  });
  head.onkeydown = part.body.onkeydown = ({ key }) => {
    if (key === "Escape" && matchMedia(NARROW).matches) part.toggle(false);
  };
  conversation.onKept(look);
}
