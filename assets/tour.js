// The guided tour, and links that lead to a place of the page: ?tab=attention&part=Logit lens&model=bard-chat&text=...
"use strict";

(() => {
  const { make, ask, button, keepText, visibleSpaces } = playground;
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

  // Open a tab, and a part of it. Returns the sentence that says why that cannot be, if it cannot.
  async function goTo(tab, part = "") {
    const outer = await waitFor(() => named(tabs(), tab));
    if (!outer) return `There is no tab called ${tab}.`;
    if (outer.getAttribute("aria-selected") !== "true") outer.click();
    if (!part) return "";
    const shown = () => [...document.querySelectorAll("[role=tabpanel] button[role=tab]")].filter((node) => node.offsetParent);
    const inner = await waitFor(() => named(shown(), part));
    inner?.click();
    return inner ? "" : `${tab} has no part called ${part}.`;
  }

  // Type a text into a box of Gradio's.
  function typeInto(box, text) {
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, text);
    box.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }

  async function useText(text) {
    keepText(text); // offered in every tab that is opened from now on
    const box = await waitFor(() => [...document.querySelectorAll("#tokenizer-text textarea, #attention-text textarea, #chat-text textarea")].find((node) => node.offsetParent));
    if (box && box.value !== text) typeInto(box, text);
  }

  // The address says which tab and model are open, so that it can be copied.
  function address(changes) {
    const place = new URL(location.href);
    for (const [name, value] of Object.entries(changes)) value ? place.searchParams.set(name, value) : place.searchParams.delete(name);
    history.replaceState(null, "", place);
  }

  async function followLink(say) {
    const wanted = new URLSearchParams(location.search);
    if (wanted.has("text")) await useText(wanted.get("text").toWellFormed());
    if (wanted.has("tab")) say(await goTo(wanted.get("tab"), wanted.get("part") ?? ""));
    await waitFor(() => tabs().length);
    document.querySelector("#tabs").addEventListener("click", (event) => {
      const tab = event.target.closest("#tabs > .tab-wrapper button[role=tab]");
      if (tab) address({ tab: tab.textContent.trim().toLowerCase(), part: "", text: "" });
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
    let [at, here, known] = [0, null, null];

    const reached = () => Math.min(stops.length - 1, Number(localStorage.getItem(KEY)) || 0);
    const named_ = () => {
      const kept = localStorage.getItem(KEY);
      start.textContent = kept === null ? "Take the tour" : kept === "done" || kept === "0" ? "Tour" : `Go on with the tour (${reached() + 1} of ${stops.length})`;
      start.classList.toggle("pg-primary", kept === null);
    };

    const filled = (template) => template.replace(/\{(\w+)\}/g, (_, name) => (known?.[name] === undefined ? "…" : visibleSpacesIn(name)));
    const visibleSpacesIn = (name) => (name === "next" ? visibleSpaces(known.next) : String(known[name]));

    async function open(step) {
      [at, known] = [Math.max(0, step), known];
      localStorage.setItem(KEY, at);
      const { tab, part, target } = stops[at];
      unmark();
      if (!card.isConnected) document.body.append(card);
      document.body.classList.add("pg-touring");
      await useText(sentence);
      await goTo(tab, part);
      here = await waitFor(() => document.querySelector(target));
      if (!card.isConnected) return; // it was left meanwhile
      here?.classList.add("pg-tour-here");
      bringUp();
      show();
      title.focus({ preventScroll: true });
      known = await ask(server.tour_figures({ model: document.querySelector("#model-picker input")?.value ?? "", text: sentence }));
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

    function leave() {
      unmark();
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
