// A vote in the table of all votes.

import { carefulButton } from "../../../assets/careful_button.js";
import { make } from "../../../assets/dom.js";

/** When a vote was given, as it is said; what is no time stays as it is. @param {string} created */
export function timeText(created) {
  const when = new Date(created);
  if (Number.isNaN(when.getTime())) return String(created);
  return when.toLocaleString("en-GB", { dateStyle: "short", timeStyle: "short" });
}

/** A cell of a table. @param {string} className @param {...(Node | string)} parts */
export function cell(className, ...parts) {
  const node = make("td", className);
  node.append(...parts);
  return node;
}

const small = (text) => make("div", "pg-vote-small", text);

function answerCell([text, model], isChosen) {
  const shown = make("div", "pg-vote-cell-text", `${isChosen ? "✓ " : ""}${text}`);
  return cell(`pg-vote-cell${isChosen ? " pg-vote-chosen" : ""}`, shown, small(model));
}

// What was chosen, which may be changed to any of the verdicts: [choice, margin, text].
function verdictPicker({ id, choice, margin }, verdicts, change) {
  const [frame, select, now] = [make("span", "pg-choice"), make("select"), JSON.stringify([choice, margin])];
  const options = verdicts.map(([what, much, text]) => new Option(text, JSON.stringify([what, much])));
  const isKnown = options.some(({ value }) => value === now);
  const own = verdicts.find(([what, much]) => what === choice && !much);
  if (!isKnown) options.push(new Option(`${own[2]}, margin ${margin}`, now)); // of a file
  select.append(...options);
  select.value = now;
  select.setAttribute("aria-label", "Change this vote");
  select.onchange = () => change(id, ...JSON.parse(select.value));
  frame.append(select);
  return frame;
}

function choiceCell(vote, { verdicts, criteria }, change) {
  const { seconds, again, note, criterion } = vote;
  const node = cell("", verdictPicker(vote, verdicts, change), small(seconds ? `${seconds.toFixed(1)} s` : ""));
  if (criterion !== "overall") node.append(small(criteria[criterion] ?? criterion));
  if (again) node.append(small("came back swapped"));
  if (note) node.append(make("div", "pg-vote-cell-note", note));
  return node;
}

/**
 * @param {any} vote
 * @param {{sources: Record<string, string>, criteria: Record<string, string>, verdicts: any[]}} known
 * @param {(id: number, choice: string, margin: number) => unknown} change
 * @param {(id: number) => unknown} remove
 */
export function voteRow(vote, known, change, remove) {
  const row = make("tr");
  row.dataset.vote = vote.id;
  const source = Object.assign(small(known.sources[vote.source]), { title: vote.origin });
  const [left, right] = vote.answers;
  row.append(
    cell("pg-vote-by", make("div", "", vote.annotator), small(timeText(vote.created))),
    cell("pg-vote-cell", make("div", "pg-vote-cell-text", vote.prompt), source),
    answerCell(left, vote.choice === "left"),
    answerCell(right, vote.choice === "right"),
    choiceCell(vote, known, change),
    cell(
      "",
      carefulButton("Delete", "Sure?", () => remove(vote.id)),
    ),
  );
  return row;
}
