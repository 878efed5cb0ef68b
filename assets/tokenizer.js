// Tokenizer tab.
"use strict";

(() => {
  const { make, follow } = playground;

  function tokens(element, props, watch) {
    const root = element.querySelector(".pg-tokens");
    follow(props, watch, ({ title, counts, tokens, hidden, ids, spaces }) => {
      const facts = make("dl", "pg-counts");
      for (const [name, value] of counts) {
        const pair = make("div");
        pair.append(make("dd", "", value), make("dt", "", name));
        facts.append(pair);
      }
      const chips = make("div", "pg-chips" + (ids ? " pg-with-ids" : ""));
      tokens.forEach(([text, id, bytes], i) => {
        const visible = spaces ? text.replaceAll(" ", "·").replaceAll("\t", "⇥") : text;
        const chip = make("span", `pg-chip pg-color-${i % 5}`);
        chip.append(make("span", "pg-chip-text", visible.replaceAll("\n", spaces ? "↵" : " ") || " "));
        if (ids) chip.append(make("span", "pg-chip-id", id));
        chip.title = `${JSON.stringify(text)}\nid ${id}\nbytes ${bytes}`;
        chips.append(chip);
        if (text.includes("\n")) chips.append(document.createElement("br"));
      });
      const children = [make("h3", "", title), facts, chips];
      if (hidden) children.push(make("p", "pg-note", `… and ${hidden.toLocaleString("en")} more tokens, counted above but not drawn.`));
      root.replaceChildren(...children);
    });
  }

  Object.assign(playground, { tokens });
})();
