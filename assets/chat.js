// Chat tab: the conversation as it is shown, and how answers come in. The turns are kept by chat_turns.js; chat_next.js
// and chat_inside.js show what lies behind a token.
"use strict";

(() => {
  const { make, ask, button, download, follow, isVisible, visibleSpaces, colorTable, cssOf, readableOn, annotator } = playground;
  const { visible, chip, passage } = playground.tokens;
  const { turns, textOf, markdown, json } = playground.turns;
  const percent = (p) => (p >= 0.0995 ? `${Math.round(100 * p)} %` : p >= 0.00095 ? `${(100 * p).toFixed(1)} %` : "< 0.1 %");
  const VOTES = [["left", "Left is better"], ["tie", "Tie"], ["right", "Right is better"], ["bad", "Both bad"]];
  const LOST = "The playground was restarted while this was being written: ask for another answer.";

  // --- what the parts of the tab share ------------------------------------------------------------------------------

  const chat = { wish: null, tree: turns(), inspected: null, listeners: new Set(), send: (text) => text, stop() {}, clear() {} };
  chat.changed = () => chat.listeners.forEach((listener) => listener());

  // What the widgets hold, but for the line that is being typed.
  chat.settings = () => {
    const { draft, ...settings } = chat.wish ?? {};
    return settings;
  };

  // What a model would read now: with the line that is being typed, else what the last answer was an answer to.
  chat.upcoming = (answers) => {
    const draft = chat.wish?.draft ?? "";
    const said = chat.tree.messages();
    if (draft.trim()) return [...said, { role: "user", content: draft.toWellFormed() }];
    if (answers) while (said.length && said.at(-1).role === "assistant") said.pop();
    return said;
  };

  // --- an answer ----------------------------------------------------------------------------------------------------

  function paint(node, probability, colors) {
    const color = colors[Math.round(255 * probability)];
    node.style.background = cssOf(color);
    node.style.color = readableOn(color);
  }

  // An answer's text, plain or as tokens in the colour of their probability; `update` draws what has come since.
  function answerBody(answer, xray, colors, inspect) {
    if (!xray) {
      const node = make("div", "pg-said-text");
      const update = () => {
        const text = textOf(answer).replace(/^\n+/, "");
        if (node.textContent !== text) node.textContent = text;
      };
      return { node, update };
    }
    const describe = (i) => {
      const [id, p, hex] = answer.tokens[i];
      return [["token", visibleSpaces(visible(hex).text)], ["id", id], ["probability", percent(p)], ["surprise", `${(-Math.log2(Math.max(p, 1e-9))).toFixed(1)} bits`]];
    };
    const node = passage(`Tokens of ${answer.model}`, describe, inspect);
    if (answer.lead.trim()) node.append(make("span", "pg-note", answer.lead.trim()), make("br")); // not the model's
    let drawn = 0;
    const update = () => {
      for (; drawn < answer.tokens.length; drawn++) {
        const [, p, hex] = answer.tokens[drawn];
        const one = chip(hex, 0, true);
        paint(one, p, colors);
        if (!drawn) one.tabIndex = 0;
        node.append(one);
        if (visible(hex).text.includes("\n")) node.append(make("br"));
      }
    };
    return { node, update };
  }

  // --- the log ------------------------------------------------------------------------------------------------------

  function chatLog(element, props, watch, server, scale) {
    const root = element.querySelector(".pg-talk");
    const colors = colorTable(scale);
    const { tree } = chat;
    const scene = make("div", "pg-scene");
    scene.setAttribute("role", "log");
    scene.setAttribute("aria-label", "Conversation");
    scene.tabIndex = 0; // the keyboard can scroll it
    const [about, context, trouble] = [make("p", "pg-note"), make("div", "pg-context"), make("p", "pg-error")];
    trouble.setAttribute("role", "status");
    let [xray, listening, updates, models] = [false, false, new Map(), []];

    const say = (sentence) => {
      trouble.textContent = sentence;
    };

    // --- asking for answers ---

    // The models that answer now, the one in the header first.
    const answering = () => [chat.wish.model, chat.wish.beside].filter((name, i, all) => name && all.indexOf(name) === i);

    function blank(model, tokens = []) {
      return { model, seed: 0, lead: "", tokens, given: tokens.length, name: null, state: "writing", note: "", error: "" };
    }

    // Let `answers` be written below `parent`; those that are finished already stay as they are.
    async function write(parent, answers) {
      const variant = tree.children(parent?.id ?? null).length;
      const node = tree.add({ parent: parent?.id ?? null, role: "assistant", answers, pick: 0, vote: null });
      const wanted = node.answers.filter(({ state }) => state === "writing");
      draw();
      const wish = chat.settings();
      const request = { wish, messages: tree.messages(parent?.id ?? null), variant, answers: wanted.map(({ model, tokens }) => ({ model, written: tokens.map(([id]) => id) })) };
      const answer = await ask(server.begin_answers(request));
      wanted.forEach((one, i) => Object.assign(one, answer.error ? { state: "failed", error: answer.error } : { name: answer.names[i], seed: answer.seed }));
      if (answer.error) return settle();
      listen();
    }

    async function listen() {
      if (listening) return;
      listening = true;
      for (let all = tree.writing().filter(({ name }) => name); all.length; all = tree.writing().filter(({ name }) => name)) {
        const known = Object.fromEntries(all.map((answer) => [answer.name, answer.tokens.length - answer.given]));
        const news = await ask(server.more_of_answers({ known }));
        if (news.error) {
          say(news.error);
          await new Promise((done) => setTimeout(done, 1500));
          continue;
        }
        say("");
        for (const answer of all) take(answer, news.answers[answer.name]);
        tree.save();
      }
      listening = false;
      settle();
    }

    function take(answer, news) {
      if (news === null) return Object.assign(answer, { state: "failed", error: LOST });
      answer.tokens.push(...news.tokens);
      Object.assign(answer, { state: news.state, note: news.note, error: news.error, lead: news.lead });
      const atEnd = scene.scrollHeight - scene.scrollTop - scene.clientHeight < 60;
      updates.get(answer)?.();
      if (atEnd) scene.scrollTop = scene.scrollHeight;
    }

    function settle() {
      if (!tree.save()) say("The browser has no room to keep so long a conversation over a reload.");
      draw();
      chat.changed();
    }

    // --- what a person does ---

    chat.send = (text) => {
      if (!chat.wish?.model) return say("There is no model yet: train one in the Train tab."), text;
      if (tree.writing().length) return say("An answer is being written: wait for it, or stop it."), text;
      say("");
      const leaf = tree.leaf();
      if (text.trim()) tree.add({ parent: leaf?.id ?? null, role: "user", text: text.toWellFormed() });
      else if (!leaf) return say("Write a line first, for the model to answer or to continue."), text;
      else if (leaf.role === "assistant" && models.some(({ answers }) => answers)) return say("Write a line first: this model answers, and the last answer is its own."), text;
      write(tree.leaf(), answering().map((model) => blank(model)));
      scene.scrollTop = scene.scrollHeight;
      return "";
    };

    chat.stop = () => {
      const names = tree.writing().map(({ name }) => name).filter(Boolean);
      if (names.length) ask(server.stop_answers({ names }));
    };

    chat.clear = () => {
      chat.stop();
      tree.clear();
      chat.inspected = null;
      say("");
      settle();
    };

    const free = () => (tree.writing().length ? (say("An answer is being written: wait for it, or stop it."), false) : true);

    function regenerate(node) {
      if (!free()) return;
      write(tree.parent(node), node.answers.map(({ model }) => blank(model)));
    }

    // The answer as it was up to token number `index`, then another token, then whatever follows.
    chat.takeInstead = (node, lane, index, token) => {
      if (!free()) return;
      const answers = node.answers.map((answer, i) => (i === lane ? blank(answer.model, [...answer.tokens.slice(0, index), token]) : { ...answer }));
      answers[lane].lead = node.answers[lane].lead;
      write(tree.parent(node), answers);
      chat.inspected = { node: tree.leaf(), lane, answer: tree.leaf().answers[lane], index };
      chat.changed();
    };

    async function vote(node, choice) {
      const sides = node.answers.map((answer) => ({ text: textOf(answer).trim(), model: answer.model, seed: answer.seed }));
      const wish = chat.settings();
      const { pair = 0, vote: before = 0 } = node.vote ?? {};
      const milliseconds = Math.round(Date.now() - (node.since ?? Date.now()));
      const request = { wish, messages: tree.messages(node.parent), sides, pair, vote: before, choice, milliseconds, annotator: annotator.get(), key: crypto.randomUUID() };
      const answer = await ask(server.vote_on_answers(request));
      if (answer.error) return say(answer.error);
      node.vote = { choice, ...answer };
      if (choice === "left" || choice === "right") node.pick = choice === "left" ? 0 : 1;
      document.dispatchEvent(new CustomEvent("pg-voted"));
      settle();
    }

    // --- drawing ---

    const tool = (key, text, onclick, title = "") => {
      const node = button(text, onclick, "pg-button pg-small");
      node.dataset.key = key;
      if (title) node.title = title;
      return node;
    };

    // ‹ 2 of 3 ›, where a turn has others in its place.
    function branches(node) {
      const all = tree.siblings(node);
      if (all.length < 2) return [];
      const at = all.indexOf(node);
      const to = (i) => () => free() && (tree.show(all[i]), settle());
      const [left, right] = [tool(`${node.id}-left`, "‹", to(at - 1), "The branch before"), tool(`${node.id}-right`, "›", to(at + 1), "The next branch")];
      [left.disabled, right.disabled] = [at === 0, at === all.length - 1];
      for (const each of [left, right]) each.setAttribute("aria-label", each.title);
      return [left, make("span", "pg-note", `${at + 1} of ${all.length}`), right];
    }

    const goOn = (node) => (tree.leaf() === node ? [] : [tool(`${node.id}-branch`, "Branch here", () => free() && (tree.goTo(node), settle()), "Go on from this turn; what came after it stays on a branch of its own")]);
    const copy = (key, text) => tool(key, "Copy", async (event) => {
      await navigator.clipboard.writeText(text());
      event.target.textContent = "Copied";
    });

    function userTurn(node) {
      const frame = make("article", "pg-said pg-said-person");
      const text = make("div", "pg-said-text", node.text.replace(/\n+$/, ""));
      const tools = make("div", "pg-said-tools");
      const edit = () => {
        const box = make("textarea", "pg-said-edit");
        Object.assign(box, { value: node.text, rows: Math.min(10, node.text.split("\n").length + 1) });
        box.setAttribute("aria-label", "Your line, to be edited");
        const done = button("Send as a new branch", () => {
          if (!box.value.trim()) return say("The line is empty: write something, or cancel.");
          if (!free()) return;
          tree.add({ parent: node.parent, role: "user", text: box.value.toWellFormed() });
          write(tree.leaf(), answering().map((model) => blank(model)));
        }, "pg-button pg-primary pg-small");
        const row = make("div", "pg-said-tools");
        row.append(done, button("Cancel", draw, "pg-button pg-small"));
        frame.replaceChildren(box, row);
        box.focus();
      };
      tools.append(...branches(node), tool(`${node.id}-edit`, "Edit", edit), copy(`${node.id}-copy`, () => node.text), ...goOn(node));
      frame.append(text, tools);
      return frame;
    }

    function answerTurn(node) {
      const frame = make("article", node.answers.length > 1 ? "pg-said-pair" : "pg-said-single");
      node.answers.forEach((answer, lane) => frame.append(bubble(node, answer, lane)));
      const tools = make("div", "pg-said-tools");
      const again = tool(`${node.id}-again`, "Another answer", () => regenerate(node), "With the next seed; this one stays on a branch of its own");
      tools.append(...branches(node), again, ...goOn(node));
      if (node.answers.length > 1 && node.answers.every(({ state, tokens }) => state !== "writing" && tokens.length)) {
        node.since ??= Date.now();
        tools.append(make("span", "pg-note", "Which is better?"));
        for (const [choice, text] of VOTES) {
          const one = tool(`${node.id}-${choice}`, text, () => vote(node, choice), "Kept among the votes of the Label tab; the conversation goes on from the better one");
          one.setAttribute("aria-pressed", node.vote?.choice === choice);
          tools.append(one);
        }
      }
      frame.append(tools);
      return frame;
    }

    function bubble(node, answer, lane) {
      const frame = make("div", "pg-said pg-said-model");
      const picked = node.answers.length > 1 && node.pick === lane ? " · the conversation goes on from here" : "";
      const head = make("p", "pg-said-who", answer.model + picked);
      const body = answerBody(answer, xray, colors, (index) => {
        chat.inspected = { node, lane, answer, index };
        chat.changed();
      });
      const [note, error] = [make("p", "pg-note pg-said-note"), make("p", "pg-error")];
      const update = () => {
        body.update();
        frame.dataset.state = answer.state;
        const pending = answer.state === "writing" && !answer.tokens.length ? "…" : "";
        note.textContent = [answer.note || pending, answer.state === "stopped" ? "stopped" : ""].filter(Boolean).join(" · ");
        error.textContent = answer.error;
      };
      updates.set(answer, update);
      update();
      const tools = make("div", "pg-said-tools");
      tools.append(copy(`${node.id}-${lane}-copy`, () => textOf(answer).trim()));
      frame.append(head, body.node, error, note, tools);
      return frame;
    }

    function draw() {
      const key = document.activeElement?.dataset?.key;
      const [top, atEnd] = [scene.scrollTop, scene.scrollHeight - scene.scrollTop - scene.clientHeight < 60];
      updates = new Map();
      const shown = tree.path();
      if (shown.length) scene.replaceChildren(...shown.map((node) => (node.role === "user" ? userTurn(node) : answerTurn(node))));
      else scene.replaceChildren(make("p", "pg-note", "Nothing has been said yet. Write the first line below."));
      scene.scrollTop = atEnd ? scene.scrollHeight : top;
      if (key) scene.querySelector(`[data-key="${key}"]`)?.focus();
      for (const each of saving) each.disabled = !shown.length;
      dim();
    }

    // --- the context ---

    let turn = 0;
    async function measure() {
      if (!chat.wish?.model || !isVisible(root)) return;
      const mine = ++turn;
      const wish = chat.settings();
      const answer = await ask(server.about_conversation({ wish, models: answering(), messages: chat.upcoming(models[0]?.answers ?? false) }));
      if (mine !== turn) return;
      models = answer.models ?? [];
      about.textContent = answer.error ?? models.map(({ model, answers, error }) => error ?? (answers ? `${model} was taught to answer in turns.` : `${model} is a base model: it continues all of this as one scene, and does not know that it is asked.`)).join(" ");
      context.replaceChildren(...models.filter(({ context: full }) => full).map(fullness));
      dim();
    }

    function fullness({ model, context: { read, size, forgotten } }) {
      const line = make("p", "pg-note");
      const bar = make("progress", "pg-progress");
      Object.assign(bar, { max: size, value: Math.min(read, size) });
      bar.setAttribute("aria-label", `context of ${model}`);
      const lost = read <= size ? "" : `; the beginning has slid out${forgotten ? `, ${forgotten === 1 ? "the first turn" : `the first ${forgotten} turns`} wholly` : ""}`;
      line.append(bar, ` ${model} reads ${read.toLocaleString("en")} tokens of at most ${size.toLocaleString("en")}${lost}.`);
      return line;
    }

    // Turns that no model reads any more are pale.
    function dim() {
      const forgotten = Math.min(...models.map(({ context: full }) => full?.forgotten ?? 0), Infinity);
      [...scene.querySelectorAll("article")].forEach((node, i) => node.classList.toggle("pg-forgotten", i < forgotten && forgotten !== Infinity));
    }

    // --- begin ---

    const seen = tool("xray", "X-ray", () => {
      xray = !xray;
      seen.setAttribute("aria-pressed", xray);
      legend.hidden = !xray;
      if (!xray) chat.inspected = null;
      draw();
      chat.changed();
    }, "Every token of an answer in the colour of its probability; click one to look inside");
    seen.setAttribute("aria-pressed", false);
    const legend = make("span", "pg-scale");
    const bar = make("span", "pg-scale-bar");
    bar.style.background = `linear-gradient(to right, ${scale.join(", ")})`;
    legend.append("0 %", bar, "100 % likely: click a token");
    legend.hidden = true;
    const saving = [
      tool("markdown", "Save as Markdown", () => download("conversation.md", markdown(tree.path()), "text/markdown")),
      tool("json", "as JSON", () => download("conversation.jsonl", json(tree.path(), chat.settings()), "application/json"), "One line of JSON, which a fine-tuning can learn from"),
    ];
    const head = make("div", "pg-tools");
    head.append(seen, legend, ...saving);
    root.replaceChildren(about, head, scene, trouble, context);
    draw();
    listen();

    let timer = 0;
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(measure, 120);
    };
    chat.listeners.add(later);
    follow(props, watch, (wish) => {
      chat.wish = wish;
      chat.changed();
    });
    new IntersectionObserver(later).observe(root);
  }

  Object.assign(playground, { chat, chatLog, percent });
})();
