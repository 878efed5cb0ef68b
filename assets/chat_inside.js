// Chat tab, the X-ray of one token: what else could have stood there, where a head looked, what each layer would have said.
"use strict";

(() => {
  const { make, ask, button, headCell, chat, choice, focus, percent, barCells, visibleSpaces, colorTable, cssOf, readableOn } = playground;
  const { visible } = playground.tokens;
  const shownAs = (hex) => visibleSpaces(visible(hex).text);

  function chatInside(element, server) {
    const root = element.querySelector(".pg-inside");
    root.setAttribute("aria-live", "polite");
    let [turn, at, last] = [0, null, null];

    async function look() {
      if (chat.inspected === last) return;
      last = chat.inspected;
      if (!last) return root.replaceChildren();
      at ??= { layer: focus.layer, head: focus.head }; // the head in focus in the Attention tab, until another is chosen here
      await fetchLook();
    }

    async function fetchLook() {
      const [mine, { node, answer, index }] = [++turn, last];
      const wish = chat.settings();
      const written = answer.tokens.slice(0, index + 1).map(([id]) => id);
      const found = await ask(server.look_inside({ wish, model: answer.model, messages: chat.tree.messages(node.parent), written, ...at }));
      if (mine !== turn) return;
      if (found.error) return root.replaceChildren(make("p", "pg-error", found.error));
      draw(found);
    }

    function draw(found) {
      const key = document.activeElement?.dataset?.key;
      const [, hex, probability] = found.chosen;
      const title = make("h3", "", `«${shownAs(hex)}» had a probability of ${percent(probability)}`);
      const close = button("Close", () => ((chat.inspected = null), look()), "pg-button pg-close");
      const frame = make("section", "pg-details");
      const both = make("div", "pg-two");
      const right = make("div");
      right.append(attention(found), lens(found));
      both.append(alternatives(found), right);
      frame.append(close, title, both);
      root.replaceChildren(frame);
      if (key) root.querySelector(`[data-key="${key}"]`)?.focus();
    }

    function alternatives({ alternatives: all, chosen }) {
      const part = make("div");
      const table = make("table", "pg-table pg-next-table");
      const head = make("tr");
      const titles = [["token", 1], ["probability", 2], ["", 1]];
      head.append(...titles.map(([text, colSpan]) => headCell(text, colSpan)));
      table.append(head);
      for (const [id, hex, probability] of all) {
        const line = make("tr");
        const act = make("td");
        const { node, lane, index } = last;
        if (id === chosen[0]) act.append("was drawn");
        else act.append(button("Take this one instead", () => chat.takeInstead(node, lane, index, [id, probability, hex]), "pg-button pg-small"));
        line.append(make("td", "pg-mono", shownAs(hex)), ...barCells(probability, all[0][2], percent(probability)), act);
        table.append(line);
      }
      part.append(make("h4", "", "What else could have stood here"), make("p", "pg-note", "The model's own probabilities. Another choice begins a branch, and the answer goes on from there."), table);
      return part;
    }

    function attention({ attention: weights, layer, head, shape, scale }) {
      const part = make("div");
      const colors = colorTable(scale);
      const numbers = (count, name) => Array.from({ length: count }, (_, i) => [i, `${name} ${i + 1}`]);
      const pick = (what) => (value) => {
        at = { ...at, [what]: Number(value) };
        fetchLook();
      };
      const [layers, heads] = [choice("layer", numbers(shape[0], "layer"), pick("layer")), choice("head", numbers(shape[1], "head"), pick("head"))];
      [layers.select.value, heads.select.value] = [layer, head];
      [layers.select.dataset.key, heads.select.dataset.key] = ["inside-layer", "inside-head"];
      const tools = make("div", "pg-tools");
      tools.append(layers, heads);
      const text = make("p", "pg-inside-text");
      const most = Math.max(...weights.map(([, weight]) => weight));
      for (const [hex, weight] of weights) {
        const one = make("span", "pg-inside-token", shownAs(hex));
        const color = colors[Math.round((255 * weight) / most)];
        one.style.background = cssOf(color);
        one.style.color = readableOn(color);
        one.title = `weight ${weight.toFixed(3)}`;
        text.append(one);
        if (visible(hex).text.includes("\n")) text.append(make("br"));
      }
      part.append(make("h4", "", "Where this head looked for it"), make("p", "pg-note", `The brighter, the more; the brightest has ${percent(most)} of the head's attention.`), tools, text);
      return part;
    }

    function lens({ lens: rows }) {
      const part = make("div");
      const table = make("table", "pg-table");
      const head = make("tr");
      head.append(...["after", "it would have said", "with", "this token"].map((text) => Object.assign(make("th", "", text), { scope: "col" })));
      table.append(head);
      rows.forEach(([hex, probability, own], i) => {
        const line = make("tr");
        line.append(make("td", "", i ? `layer ${i}` : "the embeddings"), make("td", "pg-mono", shownAs(hex)), make("td", "", percent(probability)), make("td", "", percent(own)));
        table.append(line);
      });
      part.append(make("h4", "", "What each layer would have said"), make("p", "pg-note", "The logit lens: the last layer's reading of the state after every layer."), table);
      return part;
    }

    chat.listeners.add(look);
  }

  Object.assign(playground, { chatInside });
})();
