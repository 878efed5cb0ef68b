// Label tab: voting. One pair at a time; a vote is stored before the next pair is shown, and none is lost or doubled:
// votes go one after the other, each with a key of its own, and are sent again until the playground has answered.
"use strict";

(() => {
  const { make, button, follow, isVisible } = playground;
  const READING = 250; // ms in which nobody has read a new pair: what is pressed then was meant for the one before
  const [WAITING, TROUBLED, UNANSWERED, RESTING] = [300, 3000, 1500, 600]; // ms until it is asked again
  const SILENT = "The playground does not answer. Your vote is kept and sent again; start the playground if it was stopped.";
  const CHOICES = [
    { choice: "left", text: "A is better", keys: ["1", "ArrowLeft"], hint: "1 or ←" },
    { choice: "right", text: "B is better", keys: ["2", "ArrowRight"], hint: "2 or →" },
    { choice: "tie", text: "Tie", keys: ["3"], hint: "3" },
    { choice: "bad", text: "Both bad", keys: ["4"], hint: "4" },
    { choice: "skip", text: "Skip", keys: ["0"], hint: "0" },
  ];

  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const newKey = () => crypto.randomUUID();

  // --- who votes, and in which window -----------------------------------------------------------------------------

  // The name is this window's, and the next window's at first.
  let current = localStorage.getItem("pg-annotator") ?? "me";
  const annotator = {
    get: () => current,
    set: (name) => {
      current = name;
      localStorage.setItem("pg-annotator", name);
      document.dispatchEvent(new CustomEvent("pg-annotator"));
    },
  };

  // The same after a reload. A duplicated tab brings its original's number along: who has the lock may keep it.
  const windowId = (async () => {
    const held = (id) =>
      new Promise((done) => {
        const forever = () => (done(true), new Promise(() => {}));
        navigator.locks.request(`pg-window-${id}`, { signal: AbortSignal.timeout(700) }, forever).catch(() => done(false));
      });
    let id = sessionStorage.getItem("pg-window") ?? newKey();
    while (!(await held(id))) id = newKey();
    sessionStorage.setItem("pg-window", id);
    return id;
  })();

  // What must survive a reload, for the component `prefix`: the pair that is shown, the vote that has no answer yet.
  const memory = (prefix) => {
    const key = (what) => `pg-${what}-${prefix}`;
    return {
      get: (what) => JSON.parse(sessionStorage.getItem(key(what)) ?? "null"),
      set: (what, value) => (value === null ? sessionStorage.removeItem(key(what)) : sessionStorage.setItem(key(what), JSON.stringify(value))),
    };
  };

  // --- what is seen -----------------------------------------------------------------------------------------------

  function layout(onvote, onundo, onname) {
    const part = (tag, className, ...children) => {
      const node = make(tag, className);
      node.append(...children);
      return node;
    };
    const text = (className, label) => {
      const node = make("div", className);
      Object.assign(node, { tabIndex: 0, role: "region" }); // to be scrolled by keyboard
      node.setAttribute("aria-label", label);
      return node;
    };
    const [prompt, left, right] = [text("pg-vote-prompt", "Prompt"), text("pg-vote-text", "Answer A"), text("pg-vote-text", "Answer B")];
    const side = (letter, node) => part("section", "pg-vote-side", make("h3", "pg-vote-letter", letter), node);
    const keyed = ({ text, hint, keys }, act) => {
      const node = button("", act, "pg-button pg-vote-button");
      node.append(make("span", "", text), make("kbd", "", hint));
      node.setAttribute("aria-keyshortcuts", keys.join(" "));
      return node;
    };
    const buttons = new Map(CHOICES.map((c) => [c.choice, keyed(c, () => onvote(c.choice))]));
    const undo = keyed({ text: "Undo", hint: "U", keys: ["U"] }, onundo);
    const note = Object.assign(make("input", "pg-vote-note"), { placeholder: "Optional note to this vote (Enter: back to voting)", maxLength: 2000 });
    note.setAttribute("aria-label", "Note to this vote");
    const who = Object.assign(make("input", "pg-vote-name"), { maxLength: 60, value: annotator.get() });
    who.onchange = () => onname(who.value.trim() || "me");
    for (const box of [note, who]) box.addEventListener("keydown", ({ key }) => ["Enter", "Escape"].includes(key) && box.blur());
    const [count, bar, last] = [make("span"), make("progress", "pg-progress"), make("p", "pg-vote-last")];
    bar.setAttribute("aria-label", "Votes of the goal");
    last.setAttribute("role", "status");
    const origin = make("p", "pg-note pg-vote-origin");
    const frame = part(
      "div",
      "pg-vote",
      part("div", "pg-vote-head", part("label", "pg-choice", "Annotator", who), part("div", "pg-vote-progress", count, bar)),
      prompt,
      part("div", "pg-vote-sides", side("A", left), side("B", right)),
      part("div", "pg-vote-buttons", ...buttons.values(), undo),
      last,
      note,
      origin,
    );
    return { frame, prompt, left, right, buttons, undo, note, who, count, bar, last, origin };
  }

  function showProgress({ count, bar }, { count: given, seconds }, goal) {
    const pace = seconds === null ? "" : ` · ${seconds.toFixed(1)} s each`;
    const reached = goal && given >= goal ? " · goal reached" : "";
    count.textContent = `${given.toLocaleString("en")}${goal ? ` of ${goal.toLocaleString("en")}` : ""} votes${reached}${pace}`;
    Object.assign(bar, { max: goal || 1, value: goal ? Math.min(given, goal) : 0, hidden: !goal });
  }

  // --- all of it --------------------------------------------------------------------------------------------------

  function voting(prefix, element, props, watch, server, trigger) {
    const root = element.querySelector(".pg-voting");
    const kept = memory(prefix);
    const view = layout((choice) => vote(choice), () => undo(), annotator.set);
    let [wish, pair, shownAt, pending, asked, timer] = [null, null, 0, 0, 0, 0];
    let chain = Promise.resolve();
    const enqueue = (job) => (chain = chain.then(job).catch((error) => console.error(error)));

    const context = async () => ({ window: `${await windowId}-${prefix}`, annotator: annotator.get(), wish });

    const state = (name) => {
      root.dataset.state = name;
      for (const node of view.buttons.values()) node.disabled = name !== "ready";
    };

    const say = ({ text = "", names = "", mood = "" }) => {
      view.last.replaceChildren(text, ...(names ? [" ", make("strong", "", names)] : []));
      view.last.dataset.mood = mood;
    };

    // In place of a pair: why there is none, and when it is asked for again.
    const without = (className, text, wait) => {
      pair = null;
      kept.set("holding", null);
      state(className);
      view.prompt.replaceChildren(make("span", className === "trouble" ? "pg-error" : "pg-note", text));
      view.left.textContent = view.right.textContent = view.origin.textContent = "";
      clearTimeout(timer);
      timer = setTimeout(() => isVisible(root) && refresh(), wait); // else when it is seen again
    };

    const take = (answer) => {
      if (answer.error) return without("trouble", answer.error, TROUBLED);
      if (answer.last) say(answer.last);
      showProgress(view, answer, wish.goal);
      if (answer.trouble) return without("trouble", answer.trouble, TROUBLED);
      if (!answer.pair) return without("waiting", "The model is writing answers …", WAITING);
      if (answer.pair.id !== pair?.id) {
        for (const part of ["prompt", "left", "right"]) Object.assign(view[part], { textContent: answer.pair[part], scrollTop: 0 });
        shownAt = performance.now();
      }
      pair = answer.pair;
      kept.set("holding", pair.id);
      view.origin.textContent = [pair.origin, answer.note].filter(Boolean).join(" · ");
      root.dataset.pair = pair.id;
      state("ready");
    };

    // Ask for the pair to show. What the form said meanwhile wins.
    const refresh = () => {
      const mine = ++asked;
      return enqueue(async () => {
        if (mine !== asked || !wish) return;
        const answer = await server.next_pair({ ...(await context()), holding: kept.get("holding") }).catch(() => undefined);
        if (mine === asked) take(answer ?? { error: "The playground does not answer. Start it again to go on." });
      });
    };

    // Until there is an answer: the vote has a key, so that the playground counts it once.
    const deliver = async (unsent) => {
      kept.set("unsent", unsent);
      for (;;) {
        const answer = await server.cast_vote(unsent).catch(() => undefined);
        if (answer) {
          kept.set("unsent", null);
          return answer;
        }
        say({ text: SILENT, mood: "wrong" });
        await sleep(UNANSWERED);
      }
    };

    const news = () => {
      trigger();
      document.dispatchEvent(new CustomEvent("pg-voted"));
    };

    function vote(choice) {
      const now = performance.now();
      if (!pair || pending || root.dataset.state !== "ready" || now - shownAt < READING) return;
      const given = { key: newKey(), pair: pair.id, choice, milliseconds: Math.round(now - shownAt), note: view.note.value.toWellFormed() };
      pending++;
      view.note.value = "";
      view.buttons.get(choice).classList.add("pg-vote-given");
      asked++; // what was asked for before is void: the answer to the vote brings the next pair
      enqueue(async () => {
        const answer = await deliver({ ...(await context()), ...given });
        pending--;
        view.buttons.get(choice).classList.remove("pg-vote-given");
        take(answer);
        requestAnimationFrame(() => setTimeout(news)); // first the next pair is drawn
      });
    }

    function undo() {
      const key = newKey();
      pending++;
      asked++;
      enqueue(async () => {
        const answer = await server.undo_vote({ ...(await context()), key }).catch(() => undefined);
        pending--;
        if (!answer || answer.error) return say({ text: answer?.error ?? SILENT, mood: "wrong" });
        take(answer);
        news();
      });
    }

    // --- keys: while the panel is in sight, and nobody types ---

    const typing = (node) => node?.closest?.("input, textarea, select, [contenteditable], [role=listbox], [role=slider], dialog");
    const inSight = () => {
      const { top, bottom } = view.frame.getBoundingClientRect();
      return isVisible(root) && bottom > 0 && top < innerHeight;
    };
    addEventListener(
      "keydown",
      (event) => {
        if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || typing(event.target) || !inSight()) return;
        if (event.key.startsWith("Arrow") && event.target.closest?.("[role=dialog]")) return; // they lead through the tour
        const pressed = CHOICES.find(({ keys }) => keys.includes(event.key));
        if (!pressed && event.key.toLowerCase() !== "u") return;
        event.preventDefault();
        event.stopPropagation();
        if (pressed) vote(pressed.choice);
        else undo();
      },
      true,
    );

    // --- what is wished for ---

    let resting = 0;
    follow(props, watch, (value) => {
      const first = wish === null;
      if (!first && JSON.stringify(value) === JSON.stringify(wish)) return;
      clearTimeout(resting);
      const begin = () => {
        wish = value;
        if (!first) kept.set("holding", null); // it was of what was wished for before
        if (!view.frame.isConnected) root.replaceChildren(view.frame);
        const unsent = first ? kept.get("unsent") : null;
        if (unsent) enqueue(async () => take(await deliver(unsent)));
        refresh();
      };
      if (first) begin();
      else resting = setTimeout(begin, RESTING); // people type
    });
    const seen = () => isVisible(root) && wish && !pair && !pending && refresh();
    new IntersectionObserver(seen).observe(root);
    document.addEventListener("visibilitychange", seen);
    document.addEventListener("pg-annotator", () => {
      view.who.value = annotator.get();
      if (wish) refresh();
    });
  }

  Object.assign(playground, { voting, annotator });
})();
