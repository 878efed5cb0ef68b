// Chat tab: which token comes next, as the model has it and after the sampling settings.
"use strict";

(() => {
  const { make, ask, headCell, isVisible, chat, percent, visibleSpaces } = playground;
  const { visible } = playground.tokens;

  // A share as a bar, and as a number beside it.
  function barCells(share, most, text, className = "") {
    const bar = make("td", `pg-bar ${className}`);
    bar.style.setProperty("--weight", share / most);
    return [bar, make("td", "", text)];
  }

  function nextToken(element, server) {
    const root = element.querySelector(".pg-next");
    const empty = root.firstElementChild;
    let [turn, timer] = [0, 0];

    async function measure() {
      if (!chat.wish?.model || !isVisible(root)) return;
      const mine = ++turn;
      const wish = chat.settings();
      const messages = chat.upcoming(true);
      if (!messages.length) return root.replaceChildren(empty);
      const answer = await ask(server.next_token({ wish, messages }));
      if (mine !== turn) return;
      root.replaceChildren(...(answer.error ? [make("p", "pg-error", answer.error)] : drawn(answer)));
    }

    function drawn({ tokens, kept, of, entropy }) {
      const table = make("table", "pg-table pg-next-table");
      const head = make("tr");
      const titles = [["token", 1], ["the model says", 2], ["is drawn with", 2]];
      head.append(...titles.map(([title, colSpan]) => headCell(title, colSpan)));
      table.append(make("caption", "pg-note", "Probability of the first token of the next answer"), head);
      const most = Math.max(...tokens.flatMap(([, own, draws]) => [own, draws]));
      for (const [hex, own, draws] of tokens) {
        const line = make("tr", draws ? "" : "pg-cut");
        line.append(make("td", "pg-mono", visibleSpaces(visible(hex).text)), ...barCells(own, most, percent(own)), ...barCells(draws, most, draws ? percent(draws) : "cut", "pg-bar-1"));
        table.append(line);
      }
      const [before, after] = entropy.map((bits) => `${bits.toFixed(1)} bits`);
      const summary = make("p", "pg-note", `${kept.toLocaleString("en")} of ${of.toLocaleString("en")} tokens can be drawn; their entropy is ${after}, the model's ${before}.`);
      return [make("h3", "", "What the settings do"), table, summary];
    }

    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(measure, 80);
    };
    chat.listeners.add(later);
    new IntersectionObserver(later).observe(root);
  }

  Object.assign(playground, { nextToken, barCells });
})();
