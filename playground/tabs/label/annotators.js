// Several annotators: how many votes each has given, and how far any two agree.

import { headCell, make, number } from "../../../assets/dom.js";
import { latest } from "../../../assets/server.js";
import { whenVotesChange } from "./when_votes_change.js";

function tableOf(titles, rows) {
  const [table, head] = [make("table", "pg-table"), make("tr")];
  head.append(...titles.map((title) => headCell(title)));
  table.append(head);
  for (const values of rows) {
    const row = make("tr");
    row.append(...values.map((value) => make("td", "", value)));
    table.append(row);
  }
  return table;
}

function agreementTable(agreements) {
  if (!agreements.length) return make("p", "pg-note", "No pair has votes of two annotators yet.");
  const row = ({ a, b, kappa, count, sentence }) => {
    return [`${a} and ${b}`, number(count), kappa === null ? "–" : kappa.toFixed(2), sentence];
  };
  return tableOf(["Two annotators", "Pairs both voted on", "Cohen's kappa", "In words"], agreements.map(row));
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-annotators");
  const empty = root.firstElementChild;
  const last = latest(root);
  whenVotesChange(root, async () => {
    const answer = await last(server.compare_annotators({}));
    if (!answer) return;
    if (!answer.annotators.length) return root.replaceChildren(empty);
    const given = answer.annotators.map(([name, count]) => [name, number(count)]);
    const halves = make("div", "pg-two");
    halves.append(tableOf(["Annotator", "Votes"], given), agreementTable(answer.agreements));
    root.replaceChildren(halves);
  });
}
