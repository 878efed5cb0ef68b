// Two models on the same prompts, side by side, and who wins.

import { copiedMarks } from "../../../assets/copied.js";
import { button, make, table } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { rateRow } from "../../../assets/rates.js";
import { ask, pollWhenSeen } from "../../../assets/server.js";

const EVERY = 700; // ms while one is going on

/**
 * @param {"before" | "after"} side
 * @param {string} name
 * @param {any} row
 * @param {import("../../../assets/copied.js").CopiedMarks["mark"]} mark
 */
function answerNode(side, name, row, mark) {
  const { verdicts, scores } = row;
  const text = row[side];
  const node = make("div", "pg-answer");
  const head = make("p", "pg-answer-head");
  head.append(make("span", "", name));
  for (const [judge, winner] of Object.entries(verdicts)) {
    if (winner === side) head.append(make("span", "pg-won", `✓ by the ${judge}`));
    if (winner === "tie") head.append(make("span", "pg-tied", `tie by the ${judge}`));
  }
  if (scores.length) head.append(make("span", "pg-note", `score ${scores[side === "before" ? 0 : 1].toFixed(2)}`));
  const said = make("p", `pg-answer-text${text ? "" : " pg-note"}`, text || "(nothing)");
  if (text) mark(said, { model: name });
  node.append(head, said);
  return node;
}

function exchange(row, number, before, after, mark) {
  const node = make("article", "pg-exchange");
  const sides = make("div", "pg-two pg-halves");
  sides.append(answerNode("before", before, row, mark), answerNode("after", after, row, mark));
  node.append(make("p", "pg-pair-prompt", `${number}. ${row.prompt}`), sides);
  return node;
}

/**
 * How far a comparison is, and what it does just now.
 * @param {{state: string, message: string, total: number}} news
 * @param {number} answered
 */
export function stateText({ state, message, total }, answered) {
  if (!["running", "stopped"].includes(state)) return `${answered} prompts answered by both`;
  return `${message ? `${message}: ` : ""}${answered} of ${total} prompts answered`;
}

function wins({ after, rates }) {
  return [make("h3", "", `How often ${after} wins`), ...rates.map((rate) => rateRow(rate.name, rate, rate.sentence))];
}

function changes({ before, after, table: rows }) {
  if (!rows.length) return [];
  const titles = ["", `before: ${before}`, `after: ${after}`];
  return [make("h3", "", "What has changed"), table(titles, rows, "pg-measured")];
}

function comparisonParts(root, stopIt) {
  const [state, bar, failure] = [make("span", "pg-note"), make("progress", "pg-progress"), make("p", "pg-error")];
  const [line, stop] = [make("p", "pg-tools"), button("Stop", () => busy(stop, "Stopping …", stopIt()))];
  const copied = copiedMarks(root);
  line.append(state, stop, copied.parts[0]);
  const [summary, answers] = [make("div", "pg-two"), make("div", "pg-scroll pg-exchanges")];
  const [rates, measured] = [make("section"), make("section")];
  state.setAttribute("role", "status");
  bar.setAttribute("aria-label", "prompts answered");
  Object.assign(answers, { tabIndex: 0 });
  answers.setAttribute("role", "region");
  answers.setAttribute("aria-label", "answers");
  summary.append(rates, measured);
  let [number, answered] = [0, 0];

  const show = (news) => {
    if (!state.isConnected) root.replaceChildren(line, bar, failure, copied.parts[1], summary, answers);
    if (news.number !== number) {
      answers.replaceChildren();
      [number, answered] = [news.number, 0];
    }
    for (const row of news.rows) answers.append(exchange(row, ++answered, news.before, news.after, copied.mark));
    state.textContent = stateText(news, answered);
    Object.assign(bar, { max: news.total, value: answered, hidden: !news.running });
    failure.textContent = news.error;
    stop.hidden = !news.running;
    rates.replaceChildren(...wins(news));
    measured.replaceChildren(...changes(news));
    Object.assign(root.dataset, { answered, running: news.running });
  };
  const lost = (error) => {
    failure.textContent = error;
  };
  return { show, lost, known: () => ({ number, since: answered }) };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-compare");
  const parts = comparisonParts(root, () => ask(server.stop_comparison({})));
  pollWhenSeen(root, props, watch, () => async (signal) => {
    const news = await ask(server.follow_comparison(parts.known()));
    if (signal.aborted) return;
    if (news.number === undefined) {
      parts.lost(news.error); // it may come back
      return EVERY;
    }
    if (news.number === 0) return; // nothing has been compared yet
    parts.show(news);
    if (news.running) return EVERY;
  });
}
