// Tokenizer tab: training a vocabulary, the table of a vocabulary's tokens, and a chat turn as tokens.
"use strict";

(() => {
  const { make, ask, follow, visibleSpaces, facts } = playground;
  const { number, visible, spacedHex, chip, passage, fill, panel, pager, details } = playground.tokens;

  // --- train a vocabulary ---------------------------------------------------------------------------------------

  function vocabularyTraining(element, props, watch, server, trigger) {
    const root = element.querySelector(".pg-learning");
    const [line, bar] = [make("p", "pg-state"), make("progress", "pg-progress")];
    line.setAttribute("role", "status");
    bar.setAttribute("aria-label", "Merges learned");
    let [timer, before] = [null, null];

    async function poll() {
      clearTimeout(timer);
      if (!root.isConnected) return;
      const { name, state, message, done, wanted, error } = await ask(server.training({}));
      if (error) line.replaceChildren(make("span", "pg-error", error));
      else if (state !== "none") {
        const merges = wanted ? ` · ${number(done)} of ${number(wanted)} merges` : "";
        line.replaceChildren(make("strong", `pg-badge pg-${state}`, state), ` ${name} · ${message}${merges}`);
        Object.assign(bar, { max: Math.max(1, wanted), value: state === "finished" ? Math.max(1, wanted) : done });
        root.replaceChildren(line, bar);
      }
      if (before === "running" && state !== "running") trigger("changed"); // there is a new vocabulary, or there is not
      before = state;
      timer = setTimeout(poll, state === "running" ? 250 : 3000);
    }
    follow(props, watch, () => {
      before = "running"; // begun just now; it may be over already
      poll();
    });
    poll();
  }

  // --- the table ------------------------------------------------------------------------------------------------

  const columns = ["id", "token", "bytes", "length in bytes", "built by", "times in Shakespeare (1 MB)"];

  function tableRow([id, hex, merge, parts, count], open) {
    const row = make("tr");
    const token = make("button", `pg-button${visible(hex).raw ? " pg-chip-raw" : ""}`, visibleSpaces(visible(hex).text));
    token.type = "button";
    token.title = "Show how it was built and what is near it";
    token.onclick = () => open(id);
    const origin = merge ? `merge ${number(merge)}: ${parts.map((part) => visibleSpaces(visible(part).text)).join(" + ")}` : merge === null ? "a special token" : "a single byte";
    const cells = [number(id), token, spacedHex(hex), number(hex.length / 2), origin, number(count)];
    for (const content of cells) {
      const cell = make("td");
      cell.append(content);
      row.append(cell);
    }
    return row;
  }

  function vocabularyTable(element, props, watch, server) {
    const root = element.querySelector(".pg-vocabulary");
    const [found, table, body, one] = [make("p", "pg-note"), make("table", "pg-token-table"), make("tbody"), details(server)];
    const head = make("tr");
    for (const name of columns) {
      const cell = make("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    const top = make("thead");
    top.append(head);
    table.append(top, body);
    const around = make("div", "pg-table-around");
    around.append(table);
    let [page, looked] = [0, ""];
    const pages = pager((to) => {
      page = to;
      again();
    });
    const again = panel(root, props, watch, async (wish) => {
      if (looked !== JSON.stringify(wish)) page = 0;
      looked = JSON.stringify(wish);
      const answer = await ask(server.find({ ...wish, search: wish.search.toWellFormed(), page }));
      if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
      page = answer.page;
      found.textContent = answer.found;
      const open = (id) => one.open({ vocabulary: answer.name, model: wish.model, id });
      body.replaceChildren(...answer.rows.map((row) => tableRow(row, open)));
      pages.set(answer.page, answer.pages);
      root.replaceChildren(found, around, pages.root, one.root);
    });
  }

  // --- a chat turn ----------------------------------------------------------------------------------------------

  function chatTurn(element, props, watch, server) {
    const root = element.querySelector(".pg-turn");
    const one = details(server);
    panel(root, props, watch, async (wish) => {
      const [asked, answered] = [wish.asked.toWellFormed(), wish.answered.toWellFormed()];
      const answer = await ask(server.turn({ ...wish, asked, answered }));
      if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
      const { ids, hexes, special, mask } = answer;
      const describe = (i) => [
        ["token", visibleSpaces(visible(hexes[i]).text)],
        ["id", number(ids[i])],
        ["kind", special[i] ? "special: no typed text ever becomes it" : "text"],
        ["in the loss", mask[i] ? "yes: the model learns to say this" : "no: the model only reads this"],
      ];
      const chips = passage("Tokens of the chat turn", describe, (i) => one.open({ vocabulary: answer.name, model: wish.model, id: ids[i] }));
      chips.classList.add("pg-with-ids");
      const nodes = ids.map((id, i) => {
        const node = chip(hexes[i], i % 5, true);
        node.append(make("span", "pg-chip-id", mask[i] ? `${id} ✓` : id));
        node.classList.toggle("pg-unlearned", !mask[i]);
        node.classList.toggle("pg-special", special[i]);
        return node;
      });
      fill(chips, nodes, hexes);
      const legend = make("p", "pg-note");
      legend.append(make("span", "pg-chip pg-color-0", "coloured ✓"), " counts in the loss  ", make("span", "pg-chip pg-unlearned", "grey"), " is only read  ", make("span", "pg-chip pg-unlearned pg-special", "framed"), " is a special token");
      root.replaceChildren(facts(answer.counts), legend, chips, make("p", "pg-note", answer.why), one.root);
    });
  }

  Object.assign(playground, { vocabularyTraining, vocabularyTable, chatTurn });
})();
