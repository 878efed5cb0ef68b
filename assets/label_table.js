// Label tab, below the vote: the table of all votes, how far annotators agree, and a rule that votes.
"use strict";

(() => {
  const { make, button, headCell, ask, follow, isVisible, download } = playground;
  const { number, pager } = playground.tokens;
  const PATIENCE = 300; // ms without a key before the search begins
  const SURE = 3000; // ms in which a second press deletes
  const CHOICES = { left: "A", right: "B", tie: "tie", bad: "both bad", skip: "skipped" };
  const SOURCES = { label: "two samples", compare: "two models", import: "imported", rule: "by a rule", example: "example" };

  // Draw whenever votes have come or gone, if the panel can be seen, or else once it is: it lies below the vote.
  function whenVotesChange(root, draw) {
    let [stale, seen] = [true, false];
    const update = async () => {
      stale = !seen || !isVisible(root);
      if (!stale) await draw();
    };
    const look = ([{ isIntersecting }]) => {
      seen = isIntersecting;
      if (stale) update();
    };
    new IntersectionObserver(look, { rootMargin: "150px" }).observe(root);
    document.addEventListener("pg-voted", update);
    return update;
  }

  const votesChanged = () => document.dispatchEvent(new CustomEvent("pg-voted"));

  // A button that asks once more before it acts.
  function careful(text, question, act) {
    let timer = 0;
    const node = button(text, () => {
      if (node.dataset.asked) return act();
      node.dataset.asked = "yes";
      node.textContent = question;
      clearTimeout(timer);
      timer = setTimeout(calm, SURE);
    });
    const calm = () => {
      delete node.dataset.asked;
      node.textContent = node.dataset.text;
    };
    node.dataset.text = node.textContent;
    return node;
  }

  // --- the table --------------------------------------------------------------------------------------------------------

  function choiceOf(label, options, onchange) {
    const frame = make("label", "pg-choice", label);
    const select = make("select");
    select.onchange = onchange;
    frame.append(select);
    const fill = (values) => {
      const chosen = select.value;
      select.replaceChildren(...[["", "all"], ...values].map(([value, text]) => Object.assign(make("option", "", text), { value })));
      select.value = values.some(([value]) => value === chosen) ? chosen : "";
    };
    fill(options);
    return { frame, select, fill };
  }

  const cell = (className, ...parts) => {
    const node = make("td", className);
    node.append(...parts);
    return node;
  };

  function answerCell([text, model], chosen, blank) {
    const node = cell(`pg-vote-cell${chosen ? " pg-vote-chosen" : ""}`);
    node.append(make("div", "pg-vote-cell-text", `${chosen ? "✓ " : ""}${text}`), make("div", "pg-vote-small", blank ? "" : model));
    return node;
  }

  function voteRow(vote, remove) {
    const row = make("tr");
    row.dataset.vote = vote.id;
    const when = new Date(vote.created);
    const time = Number.isNaN(when.getTime()) ? String(vote.created) : when.toLocaleString("en-GB", { dateStyle: "short", timeStyle: "short" });
    const by = cell("pg-vote-by", make("div", "", vote.annotator), make("div", "pg-vote-small", time));
    const choice = cell("", make("strong", "", CHOICES[vote.choice]), make("div", "pg-vote-small", vote.seconds ? `${vote.seconds.toFixed(1)} s` : ""));
    if (vote.again) choice.append(make("div", "pg-vote-small", "came back swapped"));
    if (vote.note) choice.append(make("div", "pg-vote-cell-note", vote.note));
    const prompt = cell("pg-vote-cell", make("div", "pg-vote-cell-text", vote.prompt), Object.assign(make("div", "pg-vote-small", SOURCES[vote.source]), { title: vote.origin }));
    const [left, right] = vote.answers;
    row.append(by, prompt, answerCell(left, vote.choice === "left"), answerCell(right, vote.choice === "right"), choice, cell("", careful("Delete", "Sure?", () => remove(vote.id))));
    return row;
  }

  function voteTable(element, props, watch, server, choices, sources) {
    const root = element.querySelector(".pg-votes");
    const [said, found, table, body] = [make("p", "pg-votes-said"), make("span", "pg-note"), make("table", "pg-table pg-votes-table"), make("tbody")];
    said.setAttribute("role", "status");
    const head = make("tr");
    head.append(...["annotator", "prompt", "A", "B", "vote", ""].map((title) => headCell(title)));
    const top = make("thead");
    top.append(head);
    table.append(top, body);
    const around = make("div", "pg-table-around");
    around.append(table);

    let [page, timer] = [0, 0];
    const anew = () => {
      page = 0;
      draw();
    };
    const annotator = choiceOf("annotator", [], anew);
    const choice = choiceOf("vote", choices.map((name) => [name, CHOICES[name]]), anew);
    const source = choiceOf("kind", sources.map((name) => [name, SOURCES[name]]), anew);
    const search = Object.assign(make("input", "pg-vote-name"), { type: "search", placeholder: "a word in it" });
    const searching = make("label", "pg-choice", "search");
    searching.append(search);
    search.oninput = () => {
      clearTimeout(timer);
      timer = setTimeout(anew, PATIENCE);
    };
    const ties = Object.assign(make("input"), { type: "checkbox" });
    const withTies = make("label", "pg-choice");
    withTies.append(ties, "ties too");
    const wish = () => ({ annotator: annotator.select.value, choice: choice.select.value, source: source.select.value, search: search.value.toWellFormed() });
    const say = (text, failed = false) => Object.assign(said, { textContent: text, className: `pg-votes-said${failed ? " pg-error" : ""}` });

    const remove = async (what) => {
      const answer = await ask(server.delete_votes({ ...wish(), ...what, key: crypto.randomUUID() }));
      say(answer.error ?? `${number(answer.deleted)} ${answer.deleted === 1 ? "vote" : "votes"} deleted.`, Boolean(answer.error));
      votesChanged();
    };
    const save = async () => {
      const answer = await ask(server.export_votes({ ...wish(), ties: ties.checked }));
      if (answer.error) return say(answer.error, true);
      download(answer.file, answer.content, "application/jsonl");
      say(`${number(answer.count)} votes exported as prompt, chosen and rejected, one JSON object a line.`);
    };
    const all = careful("Delete all found", "Sure? All of them", () => remove({}));
    const saving = Object.assign(button("Export (.jsonl)", save), { title: "TRL's prompt, chosen, rejected; of the annotator and kind chosen here" });
    const tools = make("div", "pg-tools");
    tools.append(annotator.frame, choice.frame, source.frame, searching, found, all, saving, withTies);
    const pages = pager((to) => {
      page = to;
      draw();
    });

    const update = async () => {
      const answer = await ask(server.find_votes({ ...wish(), page }));
      if (answer.error) return say(answer.error, true);
      if (answer.trouble) say(answer.trouble, true);
      if (!tools.isConnected) root.replaceChildren(tools, said, around, pages.root);
      page = answer.page;
      annotator.fill(answer.annotators.map(([name, count]) => [name, `${name} (${number(count)})`]));
      found.textContent = `${number(answer.count)} votes`;
      body.replaceChildren(...answer.rows.map((vote) => voteRow(vote, (id) => remove({ id }))));
      if (!answer.rows.length) {
        const empty = cell("pg-note", "No votes here yet: vote above, load the example, or search for something else.");
        empty.colSpan = 6;
        const row = make("tr");
        row.append(empty);
        body.append(row);
      }
      all.disabled = !answer.count;
      pages.set(answer.page, answer.pages);
      root.dataset.count = answer.count;
    };
    const draw = whenVotesChange(root, update);
    follow(props, watch, ({ note }) => {
      say(note);
      votesChanged();
    });
  }

  // --- annotators ---------------------------------------------------------------------------------------------------------

  const tableOf = (titles, rows) => {
    const [table, head] = [make("table", "pg-table"), make("tr")];
    head.append(...titles.map((title) => headCell(title)));
    table.append(head);
    for (const values of rows) {
      const row = make("tr");
      row.append(...values.map((value) => make("td", "", value)));
      table.append(row);
    }
    return table;
  };

  function annotators(element, server) {
    const root = element.querySelector(".pg-annotators");
    const empty = root.firstElementChild;
    whenVotesChange(root, async () => {
      const answer = await ask(server.compare_annotators({}));
      if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
      if (!answer.annotators.length) return root.replaceChildren(empty);
      const votes = tableOf(["annotator", "votes"], answer.annotators.map(([name, count]) => [name, number(count)]));
      const rows = answer.agreements.map(({ a, b, kappa, count, sentence }) => [`${a} and ${b}`, number(count), kappa === null ? "–" : kappa.toFixed(2), sentence]);
      const agreed = rows.length ? tableOf(["two annotators", "pairs both voted on", "Cohen's kappa", "in words"], rows) : make("p", "pg-note", "No pair has votes of two annotators yet.");
      const halves = make("div", "pg-two");
      halves.append(votes, agreed);
      root.replaceChildren(halves);
    });
  }

  // --- a rule that votes ----------------------------------------------------------------------------------------------------

  function ruleVoting(element, props, watch, server) {
    const root = element.querySelector(".pg-rule");
    const [line, bar] = [make("p", "pg-rule-line"), make("progress", "pg-progress")];
    line.setAttribute("role", "status");
    bar.setAttribute("aria-label", "votes given");
    let [generation, before] = [0, null];
    follow(props, watch, () => {
      const mine = ++generation;
      const poll = async () => {
        if (mine !== generation || !root.isConnected) return;
        const { running = false, message = "", done = 0, wanted = 0, error } = await ask(server.follow_rule({}));
        if (mine !== generation) return;
        line.textContent = error || message;
        line.className = `pg-rule-line${error ? " pg-error" : ""}`;
        Object.assign(bar, { max: Math.max(1, wanted), value: done, hidden: !wanted });
        root.replaceChildren(line, bar);
        Object.assign(root.dataset, { running, done });
        if (before !== null && before !== done) votesChanged();
        before = done;
        if (running) setTimeout(poll, 700);
      };
      poll();
    });
  }

  Object.assign(playground, { voteTable, annotators, ruleVoting });
})();
