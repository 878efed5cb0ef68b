// Beside the vote: how well a person's taste is foretold, and how consistent they are.

import { facts, make } from "../../../assets/dom.js";
import { rateRow, wholePercent } from "../../../assets/rates.js";
import { latest } from "../../../assets/server.js";
import { annotatorName, onAnnotatorName } from "../../../assets/votes.js";
import { hitRateChart } from "./hit_rate.js";
import { whenVotesChange } from "./when_votes_change.js";

const ABOUT =
  "Before each vote it has said which answer you would choose; it learns from every vote, and its hits are counted " +
  "on votes it had not seen.";

function legend() {
  const line = make("p", "pg-note");
  const [hit, miss] = [make("i", "pg-mark pg-mark-hit"), make("i", "pg-mark pg-mark-miss")];
  line.append(hit, " right ", miss, " wrong; the line is the hit rate so far, dashed that of a coin.");
  return line;
}

function tastePanel({ hits, course, low, high, bits }, enough) {
  const panel = make("section", "pg-taste");
  panel.append(make("h3", "", "The model of your taste"), make("p", "pg-note", ABOUT));
  if (!hits.length) {
    panel.append(make("p", "", `It begins to guess after ${enough} votes for A or B.`));
    return panel;
  }
  const right = hits.filter(Boolean).length;
  const interval = `95 % interval of the hit rate: ${wholePercent(low)} to ${wholePercent(high)}.`;
  panel.append(
    facts([
      [`of ${hits.length} votes foretold`, wholePercent(right / hits.length)],
      ["bits of surprise a vote", bits.toFixed(2)],
    ]),
    make("p", "pg-note", `${interval} A coin has 50 % and 1 bit.`),
    hitRateChart(hits, course),
    legend(),
  );
  return panel;
}

function habitsPanel(habits, wins) {
  const panel = make("section");
  const about = "About one pair in ten comes back with its sides exchanged. Bars show 95 % intervals.";
  panel.append(make("h3", "", "Your consistency"), make("p", "pg-note", about));
  panel.append(...habits.map((habit) => rateRow(habit.name, habit, habit.sentence)));
  for (const win of wins) {
    const rate = { ...win, of: "votes" };
    panel.append(rateRow(`${win.a} preferred to ${win.b}`, rate, "Voted blindly; ties count half."));
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
}
