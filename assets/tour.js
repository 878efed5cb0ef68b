// The guided tour, and links that lead to a place of the page: ?tab=attention&part=Logit lens&model=bard-chat&text=...
"use strict";

(() => {
  const { make, ask, button, keepText, offerText, visibleSpaces } = playground;
  const SHARING = ["tokenizer", "attention", "chat"]; // the tabs whose box #TAB-text holds the shared text
  const KEY = "pg-tour"; // the step that was reached; "done" when the tour was taken to its end
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // --- going to places ----------------------------------------------------------------------------------------------

  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const tabs = () => [...document.querySelectorAll("#tabs > .tab-wrapper button[role=tab]")];
  const named = (nodes, name) => nodes.find((node) => node.textContent.trim().toLowerCase() === name.trim().toLowerCase());

  // What `find` finds, as soon as it does; null after three seconds.
  async function waitFor(find) {
    for (let tries = 0; tries < 60; tries++) {
      const found = find();
      if (found) return found;
      await sleep(50);
    }
    return null;
  }

  // Where there is too little room, Gradio keeps the last ones in a menu.
  const shownParts = () => [...document.querySelectorAll("[role=tabpanel] :is(button[role=tab], .overflow-dropdown button)")].filter((node) => node.closest(".tab-wrapper").offsetParent);

  // Open a tab, and a part of it. Returns the sentence that says why that cannot be, if it cannot.
  async function goTo(tab, part = "") {
    await waitFor(() => tabs().length);
    const outer = named(tabs(), tab);
    if (!outer) return `There is no tab called ${tab}.`;
    if (outer.getAttribute("aria-selected") !== "true") outer.click();
    if (!part) return "";
    const inner = await waitFor(() => named(shownParts(), part));
    inner?.click();
    return inner ? "" : `${tab} has no part called ${part}.`;
  }

  // Type a text into a box of Gradio's.
  function typeInto(box, text) {
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, text);
    box.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }

  // Put a text into the box of a tab that is open, and offer it in every tab that is opened from now on.
  async function useText(text, tab) {
    keepText(text);
    if (!SHARING.includes(tab)) return;
    const box = await waitFor(() => [document.querySelector(`#${tab}-text textarea`)].find((node) => node?.offsetParent));
    if (box && box.value !== text) typeInto(box, text);
  }

  // Choose an option of one of Gradio's dropdowns, as a click would, even in a tab that is not open. Returns what was
  // chosen before.
  async function choose(id, option) {
    const input = await waitFor(() => document.querySelector(`#${id} input`));
    const before = input?.value ?? option;
    if (before === option) return before;
    input.dispatchEvent(new FocusEvent("focus"));
    const item = await waitFor(() => [...document.querySelectorAll(`#${id} li`)].find((node) => node.getAttribute("aria-label") === option));
    item?.dispatchEvent(new MouseEvent("mousedown", { bubbles: true }));
    input.dispatchEvent(new FocusEvent("blur"));
    return before;
  }

  // A vote is about the sentence, too: it becomes the prompt, where a line is one. Returns what gives back the prompts
  // that there were: nothing can be learned from votes on one alone.
  async function usePrompt(text) {
    const before = await choose("label-prompts", "typed by you");
    const box = await waitFor(() => document.querySelector("#label-typed textarea"));
    const typed = box?.value;
    if (box) typeInto(box, text.replaceAll(/\s+/g, " "));
    return async () => {
      await choose("label-prompts", before);
      if (box?.isConnected) typeInto(box, typed);
    };
  }

  // The address says which tab and model are open, so that it can be copied.
  function address(changes) {
    const place = new URL(location.href);
    for (const [name, value] of Object.entries(changes)) value ? place.searchParams.set(name, value) : place.searchParams.delete(name);
    history.replaceState(null, "", place);
  }

  async function followLink(say) {
    const wanted = new URLSearchParams(location.search);
    if (wanted.has("text")) await useText(wanted.get("text").toWellFormed(), "tokenizer"); // which was opened first
    if (wanted.has("tab")) {
      const trouble = await goTo(wanted.get("tab"), wanted.get("part") ?? "");
      say(trouble);
      if (trouble) address(named(tabs(), wanted.get("tab")) ? { part: "" } : { tab: "", part: "" });
    }
    await waitFor(() => tabs().length);
    document.querySelector("#tabs").addEventListener("click", (event) => {
      const chosen = event.target.closest("button[role=tab], .overflow-dropdown button");
      if (!chosen) return;
      const [name, tab] = [chosen, tabs().find((node) => node.getAttribute("aria-selected") === "true")].map((node) => node.textContent.trim().toLowerCase());
      address(tabs().includes(chosen) ? { tab: name, part: "", text: "" } : { tab, part: name });
    });
  }

  // --- the tour -----------------------------------------------------------------------------------------------------

  function tour(element, server, stops, sentence) {
    const root = element.querySelector(".pg-tour-start");
    const note = make("span", "pg-note");
    note.setAttribute("role", "status");
    const start = button("", () => open(reached()));
    root.replaceChildren(start, note);

    const card = make("aside", "pg-tour");
    card.setAttribute("role", "dialog");
    card.setAttribute("aria-labelledby", "pg-tour-title");
    const title = Object.assign(make("h3"), { id: "pg-tour-title", tabIndex: -1 });
    const [text, place, tools] = [make("p"), make("span", "pg-note"), make("div", "pg-tools")];
    text.setAttribute("aria-live", "polite");
    const back = button("Back", () => open(at - 1));
    const next = button("Next", () => (at === stops.length - 1 ? end() : open(at + 1)), "pg-button pg-primary");
    tools.append(back, next, button("Leave", () => leave()), place);
    card.append(title, text, tools);
    let [at, here, known, givePromptsBack] = [0, null, null, null];

    const reached = () => Math.min(stops.length - 1, Number(localStorage.getItem(KEY)) || 0);
    const named_ = () => {
      const kept = localStorage.getItem(KEY);
      start.textContent = kept === null ? "Take the tour" : kept === "done" || kept === "0" ? "Tour" : `Go on with the tour (${reached() + 1} of ${stops.length})`;
      start.classList.toggle("pg-primary", kept === null);
    };

    const filled = (template) => template.replace(/\{(\w+)\}/g, (_, name) => (known?.[name] === undefined ? "…" : visibleSpacesIn(name)));
    const visibleSpacesIn = (name) => (name === "next" ? visibleSpaces(known.next) : String(known[name]));

    const carried = () => offerText("") || sentence; // what the person has typed is not lost to the tour

    async function open(step) {
      const mine = (at = Math.max(0, step));
      localStorage.setItem(KEY, at);
      const { tab, part, target, prompt } = stops[at];
      unmark();
      if (!card.isConnected) document.body.append(card);
      document.body.classList.add("pg-touring");
      const text = carried();
      keepText(text);
      await goTo(tab, part);
      await useText(text, tab.toLowerCase());
      if (prompt) givePromptsBack ??= await usePrompt(text);
      else await tidy();
      const found = await waitFor(() => document.querySelector(target));
      if (!card.isConnected || mine !== at) return; // it was left, or went on, meanwhile
      here = found;
      here?.classList.add("pg-tour-here");
      bringUp();
      show();
      title.focus({ preventScroll: true });
      known = await ask(server.tour_figures({ model: document.querySelector("#model-picker input")?.value ?? "", text: carried() }));
      show();
      bringUp(); // what was drawn meanwhile may have pushed it down
    }

    function bringUp() {
      const { top, bottom } = here?.getBoundingClientRect() ?? { top: 0, bottom: 0 };
      const free = innerHeight - card.offsetHeight - 24;
      if (here && (top < 0 || top > free / 2 || bottom > free)) here.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
    }

    function show() {
      const stop = stops[at];
      title.textContent = stop.title;
      text.textContent = filled(stop.text);
      place.textContent = `${at + 1} of ${stops.length}`;
      back.disabled = at === 0;
      next.textContent = at === stops.length - 1 ? "End" : "Next";
      named_();
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
      card.remove();
      document.body.classList.remove("pg-touring");
      named_();
      start.focus();
    }

    function end() {
      localStorage.setItem(KEY, "done");
      leave();
    }

    card.addEventListener("keydown", (event) => {
      const act = { Escape: leave, ArrowRight: () => next.click(), ArrowLeft: () => back.click() }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
    named_();
    followLink((sentence_) => {
      note.textContent = sentence_;
    });
  }

  Object.assign(playground, { tour, address });
})();
