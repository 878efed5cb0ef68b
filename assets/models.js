// Models tab: cards, one checkpoint in detail, and what can be done with it. The tree is in models_tree.js.
"use strict";

(() => {
  const { make, ask, button, follow, isVisible, facts, picture, rateRow, familyTree, choice } = playground;
  const megabytes = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const count = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)}M` : n >= 1e3 ? `${(n / 1e3).toFixed(0)}k` : String(n));
  const figure = ({ value, share }) => (share ? `${Math.round(100 * value)} %` : value.toPrecision(4).replace(/\.?0+$/, ""));
  const WRITES = ["language model", "chat model"];
  const MEASURED = [...WRITES, "classifier"];

  function tableOf(titles, rows, className = "") {
    const table = make("table", `pg-table ${className}`);
    const head = make("tr");
    head.append(...titles.map((title) => Object.assign(make("th", "", title), { scope: "col" })));
    table.append(head, ...rows.map((cells) => {
      const row = make("tr");
      row.append(...cells.map((text) => make("td", "", text)));
      return row;
    }));
    return table;
  }

  function card(one, chosen, choose) {
    const node = button("", () => choose(one.name), "pg-button pg-model-card");
    node.dataset.kind = one.kind;
    node.dataset.key = `card-${one.name}`;
    node.setAttribute("aria-pressed", one.name === chosen);
    const size = [one.weights ? `${count(one.weights)} weights` : "", megabytes(one.size)].filter(Boolean).join(" · ");
    node.append(make("strong", "", one.name), make("span", "pg-model-kind", one.kind), make("span", "pg-model-small", size));
    if (one.trouble) node.append(make("span", "pg-error", one.trouble));
    for (const item of one.report) node.append(make("span", "pg-model-small", `${item.name}: ${figure(item)}`));
    return node;
  }

  function modelShelf(element, props, watch, server, chosenForAll) {
    const root = element.querySelector(".pg-shelf");
    const [disk, tree, cards, detail, trouble] = [make("div", "pg-tools"), make("section"), make("div", "pg-model-cards"), make("section", "pg-details"), make("p", "pg-note")];
    trouble.setAttribute("role", "status");
    detail.setAttribute("aria-live", "polite");
    detail.hidden = true;
    let [all, chosen, chore, polling] = [null, "", null, false];

    const say = (text, isError = false) => {
      trouble.textContent = text;
      trouble.classList.toggle("pg-error", isError);
    };

    // Do something on the server; on success `then(answer)`, else its sentence is shown.
    async function act(call, then) {
      const answer = await ask(call);
      if (answer.error) return say(answer.error, true);
      await then(answer);
    }

    // The header's picker follows: `use` is chosen there, and only where it shows `instead`, if that is given.
    function tellHeader(news) {
      props.value = { ...news, told: Date.now() };
      chosenForAll();
    }

    // What was done is said when the page shows it: who presses the next button then means what is seen.
    async function shownAs(name, text) {
      chosen = name;
      await refresh();
      say(text);
    }

    async function moved(news, name, text) {
      tellHeader(news);
      await shownAs(name, text);
    }

    async function refresh() {
      if (!isVisible(root)) return;
      const found = await ask(server.shelf_overview({}));
      if (!tree.isConnected) root.replaceChildren(trouble, tree, cards, detail, disk);
      if (found.error) return say(found.error, true);
      [all, chore] = [found, found.chore];
      if (!all.cards.some(({ name }) => name === chosen)) chosen = all.cards[0]?.name ?? "";
      draw();
      await open(chosen);
      if (chore.running) poll();
    }

    function draw() {
      const key = document.activeElement?.dataset?.key;
      tree.replaceChildren(make("h3", "", "The family"), familyTree(all.tree, chosen, choose));
      cards.replaceChildren(...all.cards.map((one) => card(one, chosen, choose)));
      disk.replaceChildren(...diskTools());
      if (key) root.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
    }

    function choose(name) {
      chosen = name;
      say("");
      draw();
      open(name);
    }

    function diskTools() {
      const { used, trash, free } = all.disk;
      const parts = [make("span", "pg-note", `${megabytes(used)} used by models, ${megabytes(trash)} by the trash, ${megabytes(free)} free`)];
      if (!all.trash.length) return parts;
      for (const { id, name } of all.trash) {
        const back = button(`Bring ${name} back`, () => act(server.restore_model({ thrown: id }), ({ name: restored }) => moved({}, restored, `${restored} is back.`)));
        back.title = id;
        parts.push(back);
      }
      const empty = button("Empty the trash", () => {
        if (empty.dataset.sure) return act(server.empty_trash({}), ({ freed }) => shownAs(chosen, `${megabytes(freed)} are free again.`));
        empty.dataset.sure = "yes";
        empty.textContent = `Delete ${all.trash.length} for good? Press again`;
      });
      return [...parts, empty];
    }

    // --- one checkpoint ---

    async function open(name) {
      if (!name) return void (detail.hidden = true);
      const found = await ask(server.shelf_details({ name }));
      if (name !== chosen) return;
      detail.hidden = false;
      if (found.error) return detail.replaceChildren(make("h3", "", name), make("p", "pg-error", found.error));
      const key = document.activeElement?.dataset?.key;
      const both = make("div", "pg-two");
      both.append(left(found), right(found));
      const parts = [make("h3", "", found.name), tools(found), progress(), both, differing(found)];
      if (found.trouble) parts.splice(1, 0, make("p", "pg-error", found.trouble));
      detail.replaceChildren(...parts);
      if (found.curve.step) drawCurve(both.querySelector(".pg-model-curve"), found.curve);
      detail.dataset.name = found.name;
      if (key) detail.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
    }

    function left({ facts: known, settings }) {
      const part = make("div");
      const list = make("dl", "pg-model-facts");
      for (const [name, value] of known) list.append(make("dt", "", name), make("dd", "", value));
      part.append(list);
      if (settings.length) {
        const folded = make("details");
        folded.append(make("summary", "", `${settings.length} settings`), tableOf(["setting", "value"], settings));
        part.append(folded);
      }
      return part;
    }

    function right({ report, wins, curve }) {
      const part = make("div");
      if (report.length) part.append(make("h4", "", "Report card"), tableOf(["measured", "value"], report.map((one) => [one.name, figure(one)])));
      if (wins.length) part.append(make("h4", "", "Won in votes"), ...wins.map((one) => rateRow(one.name, one, "Ties count half.")));
      if (curve.step) part.append(make("div", "pg-model-curve"));
      return part;
    }

    function drawCurve(place, curve) {
      const shown = picture("How it learned", "", 220);
      place.append(shown.node);
      const trace = (key, name, color) => {
        const at = curve.step.map((_, i) => i).filter((i) => (curve[key]?.[i] ?? null) !== null);
        return { type: "scatter", mode: at.length < 40 ? "lines+markers" : "lines", name, x: at.map((i) => curve.step[i]), y: at.map((i) => curve[key][i]), line: { color, width: 1.5 } };
      };
      const traces = [trace("loss/train", "training", "#56B4E9"), trace("loss/val", "validation", "#D55E00")].filter(({ x }) => x.length);
      shown.draw(traces, { xaxis: { title: { text: "optimiser step" }, tickformat: ",~d" }, yaxis: { title: { text: "loss (nats)" } }, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" }, margin: { l: 62, r: 14, t: 26, b: 44 } });
    }

    function tools({ name, kind }) {
      const row = make("div", "pg-tools");
      const add = (text, act_, key, title = "") => {
        const node = button(text, act_);
        Object.assign(node, { title });
        node.dataset.key = key;
        row.append(node);
        return node;
      };
      if (WRITES.includes(kind)) add("Use in every tab", () => (tellHeader({ use: name }), say(`${name} is the model of every tab now.`)), "use");
      if (MEASURED.includes(kind)) {
        const begin = (anew) => () => act(server.measure_model({ name, anew }), (status) => ((chore = status), say(""), poll()));
        add("Measure", begin(false), "measure", "What its report card lacks");
        add("Measure anew", begin(true), "anew", "All of it");
      }
      add("Rename", () => askForName(row, name), "rename");
      add("Throw away", () => act(server.throw_away_model({ name }), () => moved({}, "", `${name} lies in the trash; it can be brought back below.`)), "throw", "Into the trash, from which it can be brought back");
      return row;
    }

    function askForName(row, name) {
      const field = Object.assign(make("input", "pg-vote-name"), { value: name, maxLength: 64 });
      field.setAttribute("aria-label", "New name");
      const done = () => act(server.rename_model({ name, new: field.value }), ({ name: renamed }) => moved({ use: renamed, instead: name }, renamed, `${name} is called ${renamed} now.`));
      field.onkeydown = (event) => {
        if (event.key === "Enter") done();
        if (event.key === "Escape") open(name);
      };
      row.replaceChildren(field, button("Rename", done, "pg-button pg-primary"), button("Cancel", () => open(name)));
      field.select();
    }

    // What differs from another one.
    function differing({ name, kind }) {
      const others = all.cards.filter((one) => one.name !== name && !one.trouble && one.kind !== "vocabulary");
      const part = make("div");
      if (!others.length || kind === "vocabulary") return part;
      const place = make("div", "pg-scroll");
      const pick = choice("What differs from", [["", "choose one"], ...others.map((one) => [one.name, one.name])], (other) => {
        if (!other) return place.replaceChildren();
        act(server.shelf_differences({ name, other }), ({ rows }) => place.replaceChildren(tableOf(["what", name, other], rows, "pg-differences")));
      });
      part.append(pick, place);
      return part;
    }

    // --- what goes on in the background ---

    const bar = make("div", "pg-tools");
    function progress() {
      showChore();
      return bar;
    }

    function showChore() {
      if (!chore?.number) return bar.replaceChildren();
      const text = make("span", chore.error ? "pg-error" : "pg-note", chore.error || `${chore.name}: ${chore.message}`);
      bar.replaceChildren(text);
      if (chore.running) bar.append(button("Stop", () => act(server.stop_chore({}), (status) => ((chore = status), showChore()))));
      bar.dataset.running = chore.running;
    }

    async function poll() {
      if (polling) return;
      polling = true;
      do {
        showChore();
        await new Promise((done) => setTimeout(done, 700));
        const status = await ask(server.chore_status({}));
        chore = status.number === undefined ? { ...chore, error: status.error } : status;
      } while (chore.running);
      polling = false;
      refresh();
    }

    follow(props, watch, refresh);
    new IntersectionObserver(refresh).observe(root);
  }

  // --- the arena ----------------------------------------------------------------------------------------------------

  function arenaTable(element, props, watch, server) {
    const root = element.querySelector(".pg-arena");
    const empty = root.firstElementChild;
    const update = async () => {
      if (!isVisible(root)) return;
      const { standings, error } = await ask(server.arena_standings({}));
      if (error) return root.replaceChildren(make("p", "pg-error", error));
      if (!standings.length) return root.replaceChildren(empty);
      const far = Math.max(...standings.flatMap(({ low, high }) => [Math.abs(low), Math.abs(high)]), 0.5);
      const share = (score) => 0.5 + score / (2 * far);
      const rows = standings.map((one) => {
        const row = make("div", "pg-habit");
        const name = make("p", "pg-habit-name");
        name.append(make("span", "", one.model), make("span", "pg-note", `${one.score >= 0 ? "+" : "−"}${Math.abs(one.score).toFixed(2)} (${one.low.toFixed(2)} to ${one.high.toFixed(2)}), ${one.votes} votes`));
        const line = make("span", "pg-interval");
        for (const [key, value] of [["low", one.low], ["high", one.high], ["share", one.score]]) line.style.setProperty(`--${key}`, share(value));
        line.append(make("i"));
        row.append(name, line);
        return row;
      });
      const apart = new Set(standings.map(({ group }) => group)).size > 1;
      const about = "Bradley-Terry scores in logits, with 95 % intervals by bootstrap: a lead of 1.1 is to win three times of four. Votes of the arena, of blind comparisons and of the chat count.";
      root.replaceChildren(make("h3", "", "Who is best"), make("p", "pg-note", about), ...rows);
      if (apart) root.append(make("p", "pg-note", "Not all of them have met, not even by way of others: between such groups nothing can be said."));
    };
    follow(props, watch, update);
    new IntersectionObserver(update).observe(root);
  }

  Object.assign(playground, { modelShelf, arenaTable });
})();
