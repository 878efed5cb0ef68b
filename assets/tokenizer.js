// What scripts that are not modules yet need of the Tokenizer tab.
"use strict";

(() => {
  const { make, follow, visibleSpaces } = playground;
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

  playground.tokens = { number, visible, spacedHex, chip, passage, fill, panel, pager };
})();
