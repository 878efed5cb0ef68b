// Tokenizer tab: tokens as chips, what is known about each of them, and the panel that compares vocabularies. What the
// other panels (scrubber.js, vocabulary.js) need too is in `playground.tokens`.
"use strict";

(() => {
  const { make, ask, follow, visibleSpaces, facts } = playground;
  const number = (n) => n.toLocaleString("en");

  // --- tokens as text -------------------------------------------------------------------------------------------

  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const unseen = /(?![\n\t])[\p{Cc}\p{Cf}\p{Co}\p{Cn}\ufffd]|[^\S \n\t]/gu; // controls, zero width, unusual spaces
  const loneMarks = /(?<![^ \n\t])\p{M}+/gu; // accents without a letter to stand on
  const code = (char) => "U+" + char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  const read = new Map(); // every token is read once

  // What to show for a token's bytes (in hexadecimal). `raw`: not its text but a description, because it is a part of a
  // character, or holds characters that nobody can see.
  function visible(hex) {
    if (read.has(hex)) return read.get(hex);
    const pairs = hex.match(/../g) ?? [];
    const byte = (pair) => (pair >= "20" && pair < "7f" ? String.fromCharCode(parseInt(pair, 16)) : `\\x${pair}`);
    const token = { text: pairs.map(byte).join(""), raw: true };
    try {
      const text = strict.decode(Uint8Array.from(pairs, (pair) => parseInt(pair, 16)));
      token.text = text.replace(loneMarks, (marks) => [...marks].map(code).join("")).replace(unseen, code);
      token.raw = token.text !== text;
    } catch {
      // a part of a character: its bytes are all that can be shown
    }
    read.set(hex, token);
    return token;
  }

  const spacedHex = (hex) => hex.replace(/(..)(?=.)/g, "$1 ");

  // --- chips ----------------------------------------------------------------------------------------------------

  function chip(hex, color, spaces) {
    const { text, raw } = visible(hex);
    const node = make("span", `pg-chip pg-color-${color}${raw ? " pg-chip-raw" : ""}`);
    const shown = spaces ? visibleSpaces(text) : text.replaceAll("\n", " ");
    node.append(make("span", "pg-chip-text", shown || " "));
    node.setAttribute("role", "button");
    if (!shown.trim()) node.setAttribute("aria-label", visibleSpaces(text) || "nothing");
    node.tabIndex = -1;
    return node;
  }

  const tip = make("div", "pg-tip");
  tip.hidden = true;
  tip.setAttribute("role", "tooltip");

  function showTip(node, facts) {
    const list = make("dl");
    list.append(...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
    tip.replaceChildren(list);
    (document.querySelector("main") ?? document.body).append(tip);
    tip.hidden = false;
    const [at, size] = [node.getBoundingClientRect(), tip.getBoundingClientRect()];
    tip.style.left = `${Math.max(4, Math.min(at.left, innerWidth - size.width - 4))}px`;
    tip.style.top = `${at.bottom + 6 + size.height < innerHeight ? at.bottom + 6 : at.top - size.height - 6}px`;
  }

  const hideTip = () => {
    tip.hidden = true;
  };
  addEventListener("scroll", hideTip, { capture: true, passive: true });

  // A passage of chips: one stop of the Tab key, arrows move, Enter opens. `describe(i)` gives the facts that a chip
  // shows when it is pointed at, `open(i)` is what a click does.
  function passage(label, describe, open) {
    const root = make("div", "pg-chips");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", label);
    const chips = () => [...root.querySelectorAll(".pg-chip")];
    const place = (node) => chips().indexOf(node);
    const over = (event) => {
      const node = event.target.closest(".pg-chip");
      if (node) showTip(node, describe(place(node)));
    };
    const choose = (node) => {
      root.querySelector('[aria-pressed="true"]')?.removeAttribute("aria-pressed");
      node.setAttribute("aria-pressed", "true");
      open(place(node));
    };
    root.addEventListener("pointerover", over);
    root.addEventListener("focusin", over);
    root.addEventListener("pointerout", hideTip);
    root.addEventListener("focusout", hideTip);
    root.addEventListener("click", (event) => {
      const node = event.target.closest(".pg-chip");
      if (node) choose(node);
    });
    root.addEventListener("keydown", (event) => {
      const node = event.target.closest(".pg-chip");
      if (!node) return;
      if (event.key === "Enter" || event.key === " ") choose(node);
      const all = chips();
      const next = { ArrowLeft: place(node) - 1, ArrowRight: place(node) + 1, Home: 0, End: all.length - 1 }[event.key];
      if (all[next]) {
        node.tabIndex = -1;
        all[next].tabIndex = 0;
        all[next].focus();
      } else if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
    });
    return root;
  }

  // Put chips into a passage, a line break behind each token that holds one.
  function fill(root, chips, hexes) {
    const all = document.createDocumentFragment();
    chips.forEach((node, i) => {
      all.append(node);
      if (hexes[i].includes("0a") && visible(hexes[i]).text.includes("\n")) all.append(document.createElement("br"));
    });
    if (chips.length) chips[0].tabIndex = 0;
    root.replaceChildren(all);
  }

  // --- parts that panels share ----------------------------------------------------------------------------------

  // Draw what Python or the page's widgets last sent, when the panel is in sight; of many wishes that come while it
  // draws, only the last is heard. Returns a function that draws the same again.
  function panel(root, props, watch, draw) {
    let [last, wanted, busy] = [null, false, false];
    const next = async () => {
      if (busy || !wanted || root.offsetParent === null) return;
      [wanted, busy] = [false, true];
      try {
        await draw(last);
      } finally {
        busy = false;
      }
      next();
    };
    const again = () => {
      wanted = last !== null;
      next();
    };
    new IntersectionObserver(next).observe(root); // a tab was opened
    follow(props, watch, (value) => {
      last = value;
      again();
    });
    return again;
  }

  // Previous, next, and a page's number; `change(page)` is called with pages counted from 0.
  function pager(change) {
    const root = make("nav", "pg-pager");
    root.setAttribute("aria-label", "Pages");
    let [page, pages] = [0, 1];
    const button = (text, step) => {
      const node = make("button", "pg-button", text);
      node.type = "button";
      node.onclick = () => change(Math.max(0, Math.min(pages - 1, page + step)));
      return node;
    };
    const [previous, following] = [button("‹ Previous", -1), button("Next ›", 1)];
    const field = make("input", "pg-number");
    Object.assign(field, { type: "number", min: 1, step: 1 });
    field.setAttribute("aria-label", "Page");
    field.onchange = () => change(Math.max(0, Math.min(pages - 1, Math.round(Number(field.value) || 1) - 1)));
    const count = make("span");
    root.append(previous, "Page ", field, count, following);
    const set = (at, of) => {
      [page, pages] = [at, of];
      Object.assign(field, { value: at + 1, max: of });
      count.textContent = `of ${number(of)}`;
      [previous.disabled, following.disabled] = [at === 0, at >= of - 1];
      root.hidden = of < 2;
    };
    set(0, 1);
    return { root, set };
  }

  // --- one token: how it was built, and what is near it in the model ---------------------------------------------

  function branch([hex, merge, parts]) {
    const item = make("li");
    const node = make("span", "pg-node");
    node.append(make("span", "pg-node-text", visibleSpaces(visible(hex).text)), make("span", "pg-node-merge", merge ? `merge ${number(merge)}` : "byte"));
    item.append(node);
    if (parts.length) {
      const list = make("ul");
      list.append(...parts.map(branch));
      item.append(list);
    }
    return item;
  }

  // A place for a token's details; `open({vocabulary, model, id})` or `{..., hex}` fills it.
  function details(server) {
    const root = make("section", "pg-details");
    root.setAttribute("aria-live", "polite");
    root.hidden = true;
    let asked = 0;

    async function open(request) {
      const mine = ++asked;
      const answer = await ask(server.details(request));
      if (mine !== asked) return;
      const close = make("button", "pg-button pg-close", "Close");
      close.type = "button";
      close.onclick = () => {
        root.hidden = true;
      };
      root.hidden = false;
      if (answer.error) return root.replaceChildren(close, make("p", "pg-error", answer.error));
      const title = make("h3");
      title.append("The token ", make("code", "", visibleSpaces(visible(answer.hex).text)), ` of ${answer.vocabulary}`);
      const about = facts([["id", number(answer.id)], ["bytes", spacedHex(answer.hex)], ["times in Shakespeare (1 MB)", number(answer.frequency)]]);
      const both = make("div", "pg-two");
      both.append(built(answer), near(answer, request));
      root.replaceChildren(close, title, about, both);
      root.scrollIntoView({ block: "nearest", behavior: "smooth" });
    }

    function built({ tree, story }) {
      const part = make("div");
      part.append(make("h4", "", "How it was built"), make("p", "pg-note", story));
      if (tree) {
        const list = make("ul", "pg-tree");
        list.append(branch(tree));
        part.append(list);
      }
      return part;
    }

    function near({ neighbours, why }, request) {
      const part = make("div");
      part.append(make("h4", "", "Nearest in the model's embedding"), make("p", "pg-note", why));
      const list = make("ol", "pg-near");
      for (const [hex, id, cosine] of neighbours) {
        const item = make("li");
        const button = make("button", "pg-button", visibleSpaces(visible(hex).text));
        button.type = "button";
        button.title = `id ${id}: show its details`;
        button.onclick = () => open({ ...request, hex: undefined, id });
        const bar = make("span", "pg-share");
        bar.style.setProperty("--share", Math.max(0, cosine));
        item.append(button, bar, make("span", "pg-cosine", cosine.toFixed(3)));
        list.append(item);
      }
      part.append(list);
      return part;
    }

    return { root, open };
  }

  // --- the panel "Tokens" ---------------------------------------------------------------------------------------

  const frequencies = new Map(); // a vocabulary's digest -> counts of its ids in Shakespeare, or null while they are counted

  async function countOnce(server, { name, digest }) {
    if (frequencies.has(digest)) return;
    frequencies.set(digest, null);
    const answer = await ask(server.frequencies({ vocabulary: name }));
    if (answer.error) return frequencies.delete(digest);
    frequencies.set(digest, new Uint32Array(Uint8Array.from(atob(answer.counts), (c) => c.charCodeAt(0)).buffer));
  }

  function column(answer, { ids, spaces, model }, one) {
    const section = make("section", "pg-column");
    section.dataset.vocabulary = answer.name;
    section.append(make("h3", "", answer.title));
    if (answer.error) {
      section.append(make("p", "pg-error", answer.error));
      return section;
    }
    const { tokens, odd, entries, digest } = answer;
    const describe = (i) => {
      const [hex, merge, here] = entries[tokens[i]];
      const counted = frequencies.get(digest);
      return [
        ["token", visibleSpaces(visible(hex).text)],
        ["id", number(tokens[i])],
        ["bytes", spacedHex(hex)],
        ["rank", merge ? `merge ${number(merge)} of ${number(answer.merges)}` : "a single byte"],
        ["in this text", `${number(here)}×`],
        ["in Shakespeare (1 MB)", counted ? `${number(counted[tokens[i]])}×` : "counting …"],
        ...(odd[i] ? [["cut differently", "not a token in all vocabularies here"]] : []),
      ];
    };
    const root = passage(`Tokens of ${answer.title}`, describe, (i) => one.open({ vocabulary: answer.name, model, id: tokens[i] }));
    root.classList.toggle("pg-with-ids", ids);
    const chips = tokens.map((id, i) => {
      const node = chip(entries[id][0], i % 5, spaces);
      if (odd[i]) node.classList.add("pg-odd");
      if (ids) node.append(make("span", "pg-chip-id", id));
      return node;
    });
    fill(root, chips, tokens.map((id) => entries[id][0]));
    section.append(facts(answer.counts), root);
    return section;
  }

  function tokens(element, props, watch, server) {
    const root = element.querySelector(".pg-tokens");
    const [summary, legend, columns, one] = [make("div"), make("p", "pg-note"), make("div", "pg-columns"), details(server)];
    let page = 0;
    const pages = pager((to) => {
      page = to;
      again();
    });
    const again = panel(root, props, watch, async (wish) => {
      const answer = await ask(server.tokenize({ ...wish, text: wish.text.toWellFormed(), page }));
      if (!summary.isConnected) root.replaceChildren(summary, legend, columns, pages.root, one.root);
      if (answer.error) return columns.replaceChildren(make("p", "pg-error", answer.error));
      page = answer.page;
      summary.replaceChildren(facts(answer.counts));
      legend.replaceChildren(...answer.legend.map(([className, text]) => make("span", className, text)));
      columns.replaceChildren(...answer.columns.map((one_) => column(one_, wish, one)));
      pages.set(answer.page, answer.pages);
      root.dataset.text = wish.text.length; // what is drawn, for whoever waits for it
      for (const shown of answer.columns) if (!shown.error) countOnce(server, shown);
    });
  }

  playground.tokens = { number, visible, spacedHex, chip, passage, fill, panel, pager, details };
  Object.assign(playground, { tokenColumns: tokens });
})();
