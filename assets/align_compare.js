// Align tab: two models on the same prompts, side by side, and who wins.
"use strict";

(() => {
  const { make, ask, follow, isVisible, rateRow } = playground;

  function answer(side, name, { [side]: text, verdicts, scores }) {
    const node = make("div", "pg-answer");
    const head = make("p", "pg-answer-head");
    head.append(make("span", "", name));
    for (const [judge, winner] of Object.entries(verdicts)) {
      if (winner === side) head.append(make("span", "pg-won", `✓ ${judge}`));
      if (winner === "tie") head.append(make("span", "pg-tied", `= ${judge}`));
    }
    if (scores.length) head.append(make("span", "pg-note", `score ${scores[side === "before" ? 0 : 1].toFixed(2)}`));
    node.append(head, make("p", "pg-answer-text", text || "(nothing)"));
    if (!text) node.lastChild.classList.add("pg-note");
    return node;
  }

  function exchange(row, number, before, after) {
    const node = make("article", "pg-exchange");
    const sides = make("div", "pg-two pg-halves");
    sides.append(answer("before", before, row), answer("after", after, row));
    node.append(make("p", "pg-pair-prompt", `${number}. ${row.prompt}`), sides);
    return node;
  }

  function measurements({ table, before, after }) {
    const node = make("table", "pg-table pg-measured");
    const head = make("tr");
    head.append(...["", `before: ${before}`, `after: ${after}`].map((text) => make("th", "", text)));
    const rows = table.map((cells) => {
      const row = make("tr");
      row.append(...cells.map((text) => make("td", "", text)));
      return row;
    });
    node.append(head, ...rows);
    return node;
  }

  function beforeAfter(element, props, watch, server) {
    const root = element.querySelector(".pg-compare");
    const [state, bar, failure] = [make("p", "pg-note"), make("progress", "pg-progress"), make("p", "pg-error")];
    const [summary, answers] = [make("div", "pg-two"), make("div", "pg-scroll pg-exchanges")];
    const [rates, measured] = [make("section"), make("section")];
    state.setAttribute("role", "status");
    bar.setAttribute("aria-label", "prompts answered");
    Object.assign(answers, { tabIndex: 0 });
    answers.setAttribute("role", "region");
    answers.setAttribute("aria-label", "answers");
    summary.append(rates, measured);
    let [generation, number, seen] = [0, 0, 0];

    const show = (news) => {
      if (news.number !== number) answers.replaceChildren();
      number = news.number;
      for (const row of news.rows) answers.append(exchange(row, ++seen, news.before, news.after));
      state.textContent = news.running || news.message === "stopped" ? `${news.message}: ${seen} of ${news.total} prompts answered`.replace(/^answered.*: /, "") : `${seen} prompts answered by both`;
      Object.assign(bar, { max: news.total, value: seen, hidden: !news.running });
      failure.textContent = news.error;
      rates.replaceChildren(make("h3", "", `How often ${news.after} wins`), ...news.rates.map((rate) => rateRow(rate.name, rate, rate.sentence)));
      measured.replaceChildren(...(news.table.length ? [make("h3", "", "What has changed"), measurements(news)] : []));
      Object.assign(root.dataset, { answered: seen, running: news.running });
    };

    follow(props, watch, () => {
      const mine = ++generation;
      const poll = async () => {
        if (mine !== generation || !root.isConnected) return;
        let again = true;
        if (isVisible(root)) {
          const news = await ask(server.follow_comparison({ number, since: seen }));
          if (mine !== generation) return;
          if (news.error !== undefined && news.number === undefined) failure.textContent = news.error; // it may come back
          else if (news.number === 0) again = false;
          else {
            if (!state.isConnected) root.replaceChildren(state, bar, failure, summary, answers);
            if (news.number !== number) seen = 0;
            show(news);
            again = news.running;
          }
        }
        if (again) setTimeout(poll, 700);
      };
      poll();
    });
  }

  Object.assign(playground, { beforeAfter });
})();
