// The guided tour: a card that goes from place to place with one sentence.

import { button, make, visibleSpaces } from "../../assets/dom.js";
import { ask } from "../../assets/server.js";
import { keepText, offerText } from "../../assets/shared_text.js";
import { followLink, goTo, usePrompt, useText, waitFor } from "./places.js";

const KEY = "pg-tour"; // the step that was reached; "done" when the tour was taken to its end
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** @param {import("../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  const root = element.querySelector(".pg-tour-start");
  const note = make("span", "pg-note");
  note.setAttribute("role", "status");
  const start = button("", () => tour.open(reached(props.stops)));
  root.replaceChildren(start, note);
  const tour = makeTour(start, server, props.stops, props.sentence);
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
  tools.append(back, next, button("Leave", acts.leave), place);
  root.append(title, text, tools);
  root.addEventListener("keydown", (event) => {
    const act = { Escape: acts.leave, ArrowRight: () => next.click(), ArrowLeft: () => back.click() }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  return { root, title, text, place, back, next };
}

// What is pointed at is brought above the card.
function bringUp(target, card) {
  const { top, bottom } = target?.getBoundingClientRect() ?? { top: 0, bottom: 0 };
  const free = innerHeight - card.offsetHeight - 24;
  if (target && (top < 0 || top > free / 2 || bottom > free))
    target.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
}

// The stop's text with the figures of the sentence, as far as they are known.
function filled(template, known) {
  const figure = (name) => (name === "next" ? visibleSpaces(known.next) : String(known[name]));
  return template.replace(/\{(\w+)\}/g, (_, name) => (known?.[name] === undefined ? "…" : figure(name)));
}

function makeTour(start, server, stops, sentence) {
  let [at, here, known, givePromptsBack] = [0, null, null, null];
  const card = makeCard({
    back: () => open(at - 1),
    next: () => (at === stops.length - 1 ? end() : open(at + 1)),
    leave: () => leave(),
  });

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
    const found = await waitFor(() => document.querySelector(target));
    if (!card.root.isConnected || mine !== at) return; // it was left, or went on, meanwhile
    here = found;
    here?.classList.add("pg-tour-here");
    bringUp(here, card.root);
    show();
    card.title.focus({ preventScroll: true });
    const model = /** @type {HTMLInputElement | null} */ (document.querySelector("#model-picker input"))?.value ?? "";
    known = await ask(server.tour_figures({ model, text: carried() }));
    show();
    bringUp(here, card.root); // what was drawn meanwhile may have pushed it down
  }

  function show() {
    const [stop, last] = [stops[at], at === stops.length - 1];
    card.title.textContent = stop.title;
    card.text.textContent = filled(stop.text, known);
    card.place.textContent = `${at + 1} of ${stops.length}`;
    card.back.disabled = at === 0;
    card.next.textContent = last ? "End" : "Next";
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

  function leave() {
    unmark();
    tidy();
    card.root.remove();
    document.body.classList.remove("pg-touring");
    nameStart(start, stops);
    start.focus();
  }

  function end() {
    localStorage.setItem(KEY, "done");
    leave();
  }

  nameStart(start, stops);
  return { open };
}
