// Going to places of the page, as a person would: open a tab or a part of it, type a text, choose an option.

import { keepText } from "../../assets/shared_text.js";
import { setAddress } from "../../assets/address.js";
import { sleep } from "../../assets/server.js";

const SHARING = ["tokenizer", "attention", "chat"]; // the tabs whose box #TAB-text holds the shared text

const named = (entries, name) => entries.find((entry) => textOf(entry) === name.trim().toLowerCase());

// Parts under the names that they had once: links to them still lead there.
const RENAMED = { "from q and k to weights": "q and k", "switch heads off": "switch off", "logit lens": "lens" };

const textOf = (/** @type {Element} */ node) => node.textContent.trim().toLowerCase();

/** @returns {any[]} */
function all(/** @type {string} */ selector) {
  return [...document.querySelectorAll(selector)];
}

/**
 * What `find` finds, as soon as it does; null after so many seconds: a page that has just been opened may be slow.
 * @param {() => any} find
 */
export async function waitFor(find, seconds = 10) {
  for (let tries = 0; tries < 20 * seconds; tries++) {
    const found = find();
    if (found) return found;
    await sleep(50);
  }
  return null;
}

// The tabs of a bar: those that can be seen, and those for which there is no room, which Gradio keeps in a menu.
const ENTRIES = ".tab-container[role=tablist] > button, .overflow-dropdown > button";
const tabs = () => all("#tabs > .tab-wrapper").flatMap((bar) => [...bar.querySelectorAll(ENTRIES)]);
const isOpen = (entry) => entry.matches("[aria-selected=true], .selected");

const shownParts = () =>
  all("[role=tabpanel] .tab-wrapper")
    .filter((bar) => bar.offsetParent)
    .flatMap((bar) => [...bar.querySelectorAll(ENTRIES)]);

/**
 * Open a tab, and a part of it. Returns the sentence that says why that cannot be, if it cannot.
 * @param {string} tab
 * @param {string} [part]
 */
export async function goTo(tab, part = "") {
  await waitFor(() => tabs().length);
  const outer = named(tabs(), tab);
  if (!outer) return `There is no tab called ${tab}.`;
  if (!isOpen(outer)) outer.click();
  if (!part) return "";
  const name = part.trim().toLowerCase();
  const inner = await waitFor(() => named(shownParts(), RENAMED[name] ?? name));
  inner?.click();
  return inner ? "" : `${tab} has no part called ${part}.`;
}

// Type a text into a box of Gradio's.
function typeInto(box, text) {
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, text);
  box.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

/**
 * Put a text into the box of a tab that is open, and offer it in every tab that is opened from now on.
 * @param {string} text
 * @param {string} tab
 */
export async function useText(text, tab) {
  keepText(text);
  if (!SHARING.includes(tab)) return;
  const box = await waitFor(() => all(`#${tab}-text textarea`).find((node) => node.offsetParent));
  if (box && box.value !== text) typeInto(box, text);
}

/**
 * Choose an option of one of Gradio's dropdowns, as a click would, even in a tab that is not open. Returns what was
 * chosen before.
 * @param {string} id
 * @param {string} option
 */
export async function choose(id, option) {
  const input = await waitFor(() => document.querySelector(`#${id} input`));
  const before = input?.value ?? option;
  if (before === option) return before;
  input.dispatchEvent(new FocusEvent("focus"));
  const isOption = (node) => node.getAttribute("aria-label") === option;
  const item = await waitFor(() => all(`#${id} li`).find(isOption));
  item?.dispatchEvent(new MouseEvent("mousedown", { bubbles: true }));
  input.dispatchEvent(new FocusEvent("blur"));
  return before;
}

/** Unfold a part that is folded into one line. @param {string} id */
export async function unfold(id) {
  const head = await waitFor(() => document.querySelector(`#${id} > button`));
  const isOpen = head?.classList.contains("open") || head?.getAttribute("aria-expanded") === "true";
  if (head && !isOpen) head.click();
}

/**
 * A vote is about the sentence, too: it becomes the prompt, where a line is one. Returns what gives back the prompts
 * that there were: nothing can be learned from votes on one alone.
 * @param {string} text
 */
export async function usePrompt(text) {
  const before = await choose("label-prompts", "typed by you");
  const box = await waitFor(() => document.querySelector("#label-typed textarea"));
  const typed = box?.value;
  if (box) typeInto(box, text.replaceAll(/\s+/g, " "));
  return async () => {
    await choose("label-prompts", before);
    if (box?.isConnected) typeInto(box, typed);
  };
}

/**
 * Go where the address leads, ?tab=attention&part=Logit lens&model=bard-chat&text=..., and keep it true from then on.
 * @param {(trouble: string) => void} say
 */
export async function followLink(say) {
  const wanted = new URLSearchParams(location.search);
  const text = wanted.get("text")?.toWellFormed();
  const tab = wanted.get("tab") ?? (text === undefined ? "" : "tokenizer");
  if (text !== undefined) keepText(text);
  if (tab) {
    const trouble = await goTo(tab, wanted.get("part") ?? "");
    say(trouble);
    if (trouble) setAddress(named(tabs(), tab) ? { part: "" } : { tab: "", part: "" });
  }
  if (text !== undefined) await useText(text, tab.trim().toLowerCase());
  await waitFor(() => tabs().length);
  document.querySelector("#tabs").addEventListener("click", (event) => {
    const chosen = /** @type {Element} */ (event.target).closest(`:is(${ENTRIES})`);
    if (!chosen) return;
    const place = tabs().includes(chosen)
      ? { tab: textOf(chosen), part: "", text: "", lesson: "", step: "" }
      : { tab: textOf(tabs().find(isOpen)), part: textOf(chosen) };
    setAddress(place);
  });
}
