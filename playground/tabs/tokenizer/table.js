// The table of a vocabulary's tokens.

import { about, button, headCell, make, number, pager } from "../../../assets/dom.js";
import { ask, drawWhenSeen } from "../../../assets/server.js";
import { spacedHex, visible } from "../../../assets/tokens.js";
import { tokenDetails, wordOf } from "./token_details.js";

const COLUMNS = ["id", "token", "bytes", "length in bytes", "built by", "times in the 1 MB sample of Shakespeare"];

const ABOUT =
  "A vocabulary is a mirror of the text it was learned from: this is all of it. Sort by the longest to see what that " +
  "text repeats most; search for a piece of a word; click a token to see how it was built.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  const root = element.querySelector(".pg-vocabulary");
  const [found, around, body] = [make("p", "pg-note"), make("div", "pg-table-around"), make("tbody")];
  around.append(makeTable(body));
  const one = tokenDetails(server);
  let [page, looked] = [0, ""];
  const pages = pager((to) => {
    page = to;
    again();
  });
  const again = drawWhenSeen(root, props, watch, async (wish) => {
    if (looked !== JSON.stringify(wish)) page = 0;
    looked = JSON.stringify(wish);
    const answer = await ask(server.find({ ...wish, search: wish.search.toWellFormed(), page }));
    if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
    page = answer.page;
    found.replaceChildren(`${answer.found} `, about(ABOUT));
    const open = (id) => one.open({ vocabulary: answer.name, model: wish.model, id });
    body.replaceChildren(...answer.rows.map((row) => tableRow(row, open)));
    pages.set(answer.page, answer.pages);
    root.replaceChildren(found, around, pages.root, one.root);
  });
}

function makeTable(body) {
  const [table, top, head] = [make("table", "pg-token-table"), make("thead"), make("tr")];
  head.append(...COLUMNS.map((name) => headCell(name)));
  top.append(head);
  table.append(top, body);
  return table;
}

function tableRow(found, open) {
  const [id, hex] = found;
  const token = button(wordOf(hex), () => open(id), `pg-button${visible(hex).raw ? " pg-chip-raw" : ""}`);
  token.title = "Show how it was built and what is near it";
  const row = make("tr");
  for (const content of cellsOf(found, token)) {
    const cell = make("td");
    cell.append(content);
    row.append(cell);
  }
  return row;
}

/**
 * What stands in the cells of a token's row.
 * @template Shown
 * @param {[number, string, number | null, string[], number]} found id, bytes, the merge that made it (0: a byte, null:
 *   special), its parts, frequency
 * @param {Shown} token how it is shown
 * @returns {(string | Shown)[]}
 */
export function cellsOf([id, hex, merge, parts, count], token) {
  const made = parts.length ? `merge ${number(merge)}: ${parts.map(wordOf).join(" + ")}` : "no merges: found whole";
  const joined = merge ? made : "a single byte";
  const origin = merge === null ? "a special token" : joined;
  return [number(id), token, spacedHex(hex), number(hex.length / 2), origin, number(count)];
}
