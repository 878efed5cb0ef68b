// The guided tour: a card that goes from place to place with one sentence.

import { button, make, visibleSpaces } from "../../assets/dom.js";
import { ask } from "../../assets/server.js";
import { keepText, offerText } from "../../assets/shared_text.js";
import { placeOf, scrollFor } from "./card_place.js";
import { followLink, goTo, usePrompt, useText, waitFor } from "./places.js";

const KEY = "pg-tour"; // the step that was reached; "done" when the tour was taken to its end
const SETTLES = 4000; // ms, about, in which a tab that was opened has drawn itself
const PATIENCE = 120; // seconds until what a step explains is waited for no more, on a machine with much to do
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** @param {import("../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  const root = element.querySelector(".pg-tour-start");
  const note = make("span", "pg-note");
  note.setAttribute("role", "status");
  const start = button("", () => tour.open(reached(props.script.stops)));
  root.replaceChildren(start, note);
  const tour = makeTour(start, server, props.script);
  followLink((trouble) => {
    note.textContent = trouble;
  });
}

const reached = (stops) => Math.min(stops.length - 1, Number(localStorage.getItem(KEY)) || 0);

function nameStart(start, stops) {
  const kept = localStorage.getItem(KEY);
  const goOn = `Go on with the tour (${reached(stops) + 1} of ${stops.length})`;
  start.textContent = kept === null ? "Take the tour" : kept === "done" || kept === "0" ? "Tour" : goOn;
  start.classList.toggle("pg-primary", kept === null);
}

// The card, with what its buttons and keys do.
function makeCard(acts) {
  const root = make("aside", "pg-tour");
  root.setAttribute("role", "dialog");
  root.setAttribute("aria-labelledby", "pg-tour-title");
  const title = Object.assign(make("h3"), { id: "pg-tour-title", tabIndex: -1 });
  const [text, place, tools] = [make("p"), make("span", "pg-note"), make("div", "pg-tools")];
  text.setAttribute("aria-live", "polite");
  const back = button("Back", acts.back);
  const next = button("Next", acts.next, "pg-button pg-primary");
  tools.append(back, next, ...acts.onward, button("Leave", acts.leave), place);
  root.append(title, text, tools);
  root.addEventListener("keydown", (event) => {
    const goOn = () => next.hidden || next.click();
    const act = { Escape: acts.leave, ArrowRight: goOn, ArrowLeft: () => back.click() }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  return { root, title, text, place, back, next, onward: acts.onward };
}

// What is pointed at is brought into view, and the card beside it.
function bringUp(target, card) {
  const behavior = calm.matches ? "auto" : "smooth";
  const block = target && scrollFor(target.getBoundingClientRect(), sizeOf(card), windowSize());
  if (block) target.scrollIntoView({ block, behavior });
  stand(card, target);
}

const sizeOf = (card) => ({ width: card.offsetWidth, height: card.offsetHeight });
const windowSize = () => ({ width: document.documentElement.clientWidth, height: innerHeight });

function stand(card, target) {
  const { width, height } = windowSize();
  const corner = { left: width, top: height, right: width, bottom: height };
  const { left, top } = placeOf(target?.getBoundingClientRect() ?? corner, sizeOf(card), { width, height });
  Object.assign(card.style, { left: `${left}px`, top: `${top}px` });
}

// The stop's text with the figures of the sentence, as far as they are known.
function filled(template, known) {
  const guesses = (next) => next.map(([token, share]) => `“${visibleSpaces(token)}” (${share})`).join(", ");
  const figure = (name) => (name === "next" ? guesses(known.next) : String(known[name]));
  return template.replace(/\{(\w+)\}/g, (_, name) => (known?.[name] === undefined ? "…" : figure(name)));
}

function makeTour(start, server, { stops, sentence, onward }) {
  let [at, here, known, givePromptsBack, opened] = [0, null, null, null, 0];
  const isLast = () => at === stops.length - 1;
  const card = makeCard({
    back: () => open(at - 1),
    next: () => open(at + 1),
    leave: () => leave(isLast()),
    onward: onward.map(({ tab, text }) => button(text, () => leave(true, tab), "pg-button pg-primary")),
  });
  const follow = () => card.root.isConnected && stand(card.root, here);
  const bringBack = () => card.root.isConnected && bringUp(here, card.root);
  addEventListener("scroll", follow, true);
  addEventListener("resize", bringBack);
  // What is drawn after a tab was opened may push the target away; later it is the person who scrolls.
  new ResizeObserver(() => (performance.now() - opened < SETTLES ? bringBack() : follow())).observe(document.body);

  const carried = () => offerText("") || sentence; // what the person has typed is not lost to the tour

  async function open(step) {
    const mine = (at = Math.max(0, step));
    localStorage.setItem(KEY, String(at));
    const { tab, part, target, prompt } = stops[at];
    unmark();
    if (!card.root.isConnected) document.body.append(card.root);
    document.body.classList.add("pg-touring");
    const text = carried();
    keepText(text);
    await goTo(tab, part);
    await useText(text, tab.toLowerCase());
    if (prompt) givePromptsBack ??= await usePrompt(text);
    else await tidy();
    const isOver = () => !card.root.isConnected || mine !== at; // it was left, or went on, meanwhile
    const found = await waitFor(() => isOver() || document.querySelector(target));
    if (isOver()) return;
    point(found);
    show();
    card.title.focus({ preventScroll: true });
    const model = /** @type {HTMLInputElement | null} */ (document.querySelector("#model-picker input"))?.value ?? "";
    known = await ask(server.tour_figures({ model, text: carried() }));
    show();
    bringUp(here, card.root); // the card has grown
    const late = here ?? (await waitFor(() => isOver() || document.querySelector(target), PATIENCE));
    if (!here && !isOver()) point(late);
  }

  function point(target) {
    [here, opened] = [target, performance.now()];
    here?.classList.add("pg-tour-here");
    bringUp(here, card.root);
  }

  function show() {
    const stop = stops[at];
    card.title.textContent = stop.title;
    card.text.textContent = filled(stop.text, known);
    card.place.textContent = `${at + 1} of ${stops.length}`;
    card.back.disabled = at === 0;
    card.next.hidden = isLast();
    card.onward.forEach((node) => (node.hidden = !isLast()));
    nameStart(start, stops);
  }

  function unmark() {
    here?.classList.remove("pg-tour-here");
    here = null;
  }

  async function tidy() {
    const giveBack = givePromptsBack;
    givePromptsBack = null;
    await giveBack?.();
  }

  /** @param {boolean} toTheEnd was it taken to its end? @param {string} [tab] to which it leads */
  async function leave(toTheEnd, tab = "") {
    if (toTheEnd) localStorage.setItem(KEY, "done");
    unmark();
    tidy();
    card.root.remove();
    document.body.classList.remove("pg-touring");
    nameStart(start, stops);
    start.focus();
    if (!tab) return;
    await goTo(tab);
    /** @type {any} */ (document.querySelector("#tabs > .tab-wrapper [aria-selected=true]"))?.focus();
  }

  nameStart(start, stops);
  return { open };
}
