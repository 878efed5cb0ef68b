// The ranking of all models between which somebody has voted.

import { about, isVisible, make, table } from "../../../assets/dom.js";
import { follow, latest } from "../../../assets/server.js";

/** @typedef {{model: string, score: number, low: number, high: number, votes: number, group: number}} Standing */

const ABOUT =
  "Bradley-Terry scores in logits, with 95 % intervals: a lead of 1.1 means winning three times out of four. Votes " +
  "of this ranking, of blind comparisons and of the chat count. “Dial 0.5” is the model's parent with half of what " +
  "the model has learned since.";
const APART = "Not all of them have met, not even by way of others: between such groups nothing can be said.";

const sum = (values) => values.reduce((a, b) => a + b, 0);
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

/** @param {Standing} standing */
export const scoreText = ({ score, low, high, votes }) =>
  `${signed(score)} (${signed(low)} to ${signed(high)}), ${votes} ${votes === 1 ? "vote" : "votes"}`;

/**
 * Where a score stands between 0 and 1, with 0 in the middle and all intervals in sight.
 * @param {Standing[]} standings
 * @returns {(score: number) => number}
 */
export function scaleOf(standings) {
  const far = Math.max(...standings.flatMap(({ low, high }) => [Math.abs(low), Math.abs(high)]), 0.5);
  return (score) => 0.5 + score / (2 * far);
}

function standingRow(one, scale) {
  const row = make("div", "pg-habit");
  const name = make("p", "pg-habit-name");
  name.append(make("span", "", one.model), make("span", "pg-note", scoreText(one)));
  const line = make("span", "pg-interval");
  const ends = { low: one.low, high: one.high, share: one.score };
  for (const [key, value] of Object.entries(ends)) line.style.setProperty(`--${key}`, String(scale(value)));
  line.append(make("i"));
  row.append(name, line);
  return row;
}

/**
 * What stands in the matrix for a model against another: "5 · 2 ties".
 * @param {[number, number]} outcome wins and ties
 */
export const outcomeText = ([wins, ties]) => (ties ? `${wins} · ${ties} ${ties === 1 ? "tie" : "ties"}` : String(wins));

// Who won how often against whom: what the scores are made of.
function matrixTable(models, matrix) {
  const met = (i, j) => sum(matrix[i][j]) + matrix[j][i][0] > 0;
  const cells = (i) => models.map((_, j) => (i === j || !met(i, j) ? "–" : outcomeText(matrix[i][j])));
  const around = make("div", "pg-scroll");
  around.append(
    table(
      ["wins of", ...models.map((name) => `against ${name}`)],
      models.map((name, i) => [name, ...cells(i)]),
      "pg-arena-matrix",
    ),
  );
  return around;
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-arena");
  const empty = root.firstElementChild;
  const answered = latest(root);
  const update = async () => {
    if (!isVisible(root)) return;
    const answer = await answered(server.arena_standings({}));
    if (!answer) return;
    const { standings, matrix } = answer;
    if (!standings.length) return root.replaceChildren(empty);
    const scale = scaleOf(standings);
    const rows = standings.map((one) => standingRow(one, scale));
    const title = make("h3", "", "Ranking ");
    title.append(about(ABOUT));
    root.replaceChildren(title, ...rows);
    if (new Set(standings.map(({ group }) => group)).size > 1) root.append(make("p", "pg-note", APART));
    const models = standings.map(({ model }) => model);
    root.append(make("h4", "", "Wins and ties"), matrixTable(models, matrix));
  };
  follow(props, watch, update);
  new IntersectionObserver(update).observe(root);
}
