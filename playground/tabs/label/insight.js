// Beside the vote: how well a person's taste is predicted, and how consistent they are.

import { about, facts, make } from "../../../assets/dom.js";
import { rateRow, wholePercent } from "../../../assets/rates.js";
import { latest } from "../../../assets/server.js";
import { annotatorName, onAnnotatorName, votesText } from "../../../assets/votes.js";
import { hitRateChart } from "./hit_rate.js";
import { leadToTraining } from "./train_on_votes.js";
import { whenVotesChange } from "./when_votes_change.js";

const TASTE_ABOUT =
  "It predicts each vote before you cast it, and learns from it afterwards: its hits are counted on votes that it " +
  "had not seen. A coin toss is right half of the time, and costs 1 bit of surprise a vote.";
const HABITS_ABOUT = "About one pair in ten comes back with its sides swapped. Bars show 95 % intervals.";

function heading(title, explanation) {
  const node = make("h3", "", `${title} `);
  node.append(about(explanation));
  return node;
}

function legend() {
  const line = make("p", "pg-note");
  const [hit, miss] = [make("i", "pg-mark pg-mark-hit"), make("i", "pg-mark pg-mark-miss")];
  line.append(hit, " right ", miss, " wrong. The line is the hit rate so far; the dashed line is a coin toss.");
  return line;
}

function tastePanel({ hits, course, low, high, bits }, enough) {
  const panel = make("section", "pg-taste");
  panel.append(heading("Taste predictor", TASTE_ABOUT));
  if (!hits.length) {
    panel.append(make("p", "", `It begins to guess after ${enough} votes for A or B.`));
    return panel;
  }
  const right = hits.filter(Boolean).length;
  panel.append(
    facts([
      [`of ${votesText(hits.length)} predicted`, wholePercent(right / hits.length)],
      ["bits of surprise a vote", bits.toFixed(2)],
    ]),
    make("p", "pg-note", `95 % interval of the hit rate: ${wholePercent(low)} to ${wholePercent(high)}.`),
    hitRateChart(hits, course),
    legend(),
  );
  return panel;
}

function habitsPanel(habits, wins) {
  const panel = make("section");
  panel.append(heading("Your consistency", HABITS_ABOUT));
  panel.append(...habits.map((habit) => rateRow(habit.name, habit, habit.sentence)));
  for (const win of wins) {
    const rate = { ...win, of: win.count === 1 ? "vote" : "votes" };
    panel.append(rateRow(`${win.a} preferred to ${win.b}`, rate, "Voted blind; a tie counts a half."));
  }
  return panel;
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-insight");
  const last = latest(root);
  const draw = whenVotesChange(root, async () => {
    const answer = await last(server.describe_annotator({ annotator: annotatorName() }));
    if (!answer) return;
    root.replaceChildren(tastePanel(answer.foresight, answer.enough), habitsPanel(answer.habits, answer.wins));
    root.dataset.votes = answer.foresight.hits.length;
  });
  onAnnotatorName(draw);
  leadToTraining(server);
}
