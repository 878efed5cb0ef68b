// What comes next with all heads on, and with some switched off.

import { headCell, make, visibleSpaces } from "../../../assets/dom.js";

/**
 * The parts of the panel: title, table, and what it costs.
 * @param {any} found what Python sent
 * @param {number} n_off heads that are switched off
 */
export function nextTokenTable({ rows, position, tokens, loss, loss_after }, n_off) {
  const table = make("table", "pg-table");
  const head = make("tr");
  const off = n_off === 1 ? "1 head off" : `${n_off} heads off`;
  const titles = ["next token", "all heads on", "", ...(n_off ? [off, ""] : [])];
  head.append(...titles.map((title) => headCell(title)));
  table.append(head, ...rows.map((row) => tableRow(n_off ? row : row.slice(0, 2))));
  const title = make("h3", "", `What comes after “${visibleSpaces(tokens[position])}”`);
  return [title, table, make("p", "pg-loss", n_off ? lossChange(loss, loss_after) : lossNow(loss))];
}

function tableRow([token, ...probabilities]) {
  const line = make("tr");
  line.append(make("td", "pg-mono", visibleSpaces(token)));
  probabilities.forEach((probability, i) => {
    const bar = make("td", `pg-bar pg-bar-${i}`);
    bar.style.setProperty("--weight", probability);
    line.append(make("td", "", probability.toFixed(3)), bar);
  });
  return line;
}

const lossNow = (loss) => (loss === null ? "" : `Loss on this text: ${loss.toFixed(3)} nats a token.`);

/**
 * @param {number | null} before null: there is nothing to predict
 * @param {number} after
 */
export function lossChange(before, after) {
  if (before === null) return "";
  const change = `${after >= before ? "+" : "−"}${Math.abs(after - before).toFixed(3)}`;
  return `Loss on this text: ${before.toFixed(3)} → ${after.toFixed(3)} nats a token (${change}).`;
}
