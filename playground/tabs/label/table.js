// All votes: to search, to change, to delete, to take away as a file.

import { carefulButton } from "../../../assets/careful_button.js";
import { button, choice, headCell, make, number, pager } from "../../../assets/dom.js";
import { download } from "../../../assets/files.js";
import { ask, debounce, follow, latest } from "../../../assets/server.js";
import { announceVotes, votesText } from "../../../assets/votes.js";
import { trainAgain } from "./train_again.js";
import { cell, voteRow } from "./vote_row.js";
import { whenVotesChange } from "./when_votes_change.js";

const PATIENCE = 300; // ms without a key before the search begins
const TITLES = ["Annotator", "Prompt", "A", "B", "Vote", ""];
const EMPTY = "No votes here yet: vote, load the example, or search for something else.";
const FILE_ABOUT = "Conversations with prompt, chosen and rejected, as TRL reads them";

/** What is about one answer alone, and what its file is for. */
const SINGLE = {
  thumbs: "Thumbs under answers in Chat, as TRL's KTO reads them: prompt, completion and label",
  edits: "Conversations that end with an answer as you wrote it, for instruction tuning",
};

/** @param {number} count */
export const deletedText = (count) => `${votesText(count)} deleted.`;

// Options of a choice below "all"; what was chosen stays chosen if it is still there.
function offer(select, options) {
  const chosen = select.value;
  select.replaceChildren(new Option("all", ""), ...options.map(([value, text]) => new Option(text, value)));
  select.value = options.some(([value]) => value === chosen) ? chosen : "";
}

// What is looked for; `change` is called when that is something else.
function makeSearch(choices, sources, criteria, change) {
  const titles = ["Annotator", "Vote", "Kind", "Judged"];
  const [annotator, vote, source, criterion] = titles.map((label) => choice(label, [["", "all"]], change));
  offer(vote.select, Object.entries(choices));
  offer(source.select, Object.entries(sources));
  const word = Object.assign(make("input", "pg-vote-name"), { type: "search", placeholder: "a word in it" });
  let asked = ""; // the word that was last looked for
  // Another choice takes the word along before the patience is over: then there is nothing left to begin anew.
  word.oninput = debounce(() => word.value !== asked && change(), PATIENCE);
  const searching = make("label", "pg-choice", "Search");
  searching.append(word);
  const wanted = () => {
    asked = word.value;
    return {
      annotator: annotator.select.value,
      choice: vote.select.value,
      source: source.select.value,
      criterion: criterion.select.value,
      search: asked.toWellFormed(),
    };
  };
  const offerAnnotators = (all) =>
    offer(
      annotator.select,
      all.map(([name, count]) => [name, `${name} (${number(count)})`]),
    );
  const offerCriteria = (all) => {
    const known = all.map((name) => [name, criteria[name] ?? name]);
    offer(criterion.select, known);
    criterion.hidden = known.length < 2;
  };
  return { parts: [annotator, vote, source, criterion, searching], wanted, offerAnnotators, offerCriteria };
}

function makeTable() {
  const [root, table, head] = [make("div", "pg-table-around"), make("table", "pg-table pg-votes-table"), make("thead")];
  const [titles, body] = [make("tr"), make("tbody")];
  titles.append(...TITLES.map((title) => headCell(title)));
  head.append(titles);
  table.append(head, body);
  root.append(table);
  const show = (rows) => {
    body.replaceChildren(...rows);
    if (rows.length) return;
    const row = make("tr");
    row.append(Object.assign(cell("pg-note", EMPTY), { colSpan: TITLES.length }));
    body.append(row);
  };
  return { root, show };
}

// The box beside the button that saves: votes that prefer neither answer too?
function makeTies() {
  const [root, box] = [make("label", "pg-choice"), Object.assign(make("input"), { type: "checkbox" })];
  root.append(box, "Ties too");
  return { root, wanted: () => box.checked };
}

// What is said of what has been done.
function makeReport() {
  const root = make("p", "pg-votes-said");
  root.setAttribute("role", "status");
  const say = (text, failed = false) =>
    Object.assign(root, { textContent: text, className: `pg-votes-said${failed ? " pg-error" : ""}` });
  return { root, say };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-votes");
  const [{ root: report, say }, table, ties, last] = [makeReport(), makeTable(), makeTies(), latest()];
  const again = trainAgain(server);
  let page = 0;
  const goTo = (to) => {
    page = to;
    draw();
  };
  const search = makeSearch(props.choices, props.sources, props.criteria, () => goTo(0));

  async function remove(what) {
    const answer = await ask(server.delete_votes({ ...search.wanted(), ...what, key: crypto.randomUUID() }));
    say(answer.error ?? deletedText(answer.deleted.length), Boolean(answer.error));
    announceVotes();
    if (!answer.error) again.add(answer.deleted);
  }

  async function changeTo(id, verdict, margin) {
    const wanted = { id, choice: verdict, margin, key: crypto.randomUUID() };
    const { error = "" } = await ask(server.change_vote(wanted));
    say(error || "1 vote changed.", Boolean(error));
    announceVotes();
  }

  async function save(asked) {
    const answer = await ask(asked);
    if (answer.error) return say(answer.error, true);
    for (const [name, content] of answer.files) download(name, content, "application/jsonl");
    const written = answer.files.map(([name, , count]) => `${number(count)} in ${name}`).join(", ");
    const left = answer.ties ? ` ${number(answer.ties)} ${answer.ties === 1 ? "tie" : "ties"} left out.` : "";
    say(`Exported as conversations: ${written}.${left}`);
  }

  const found = make("span", "pg-note");
  const all = carefulButton("Delete all found", "Sure? All of them", () => remove({}));
  const saveFound = () => save(server.export_votes({ ...search.wanted(), ties: ties.wanted() }));
  const saving = Object.assign(button("Export all found", saveFound), { title: FILE_ABOUT });
  const [thumbs, edits] = Object.entries(SINGLE).map(([what, title]) =>
    Object.assign(
      button("", () => save(server.export_single({ what }))),
      { title, hidden: true },
    ),
  );
  const [tools, pages] = [make("div", "pg-tools"), pager(goTo)];
  tools.append(...search.parts, found, all, saving, ties.root, thumbs, edits);

  function show(answer) {
    if (answer.trouble) say(answer.trouble, true);
    if (!tools.isConnected) root.replaceChildren(tools, report, again.root, table.root, pages.root);
    page = answer.page;
    search.offerAnnotators(answer.annotators);
    search.offerCriteria(answer.criteria);
    found.textContent = `${votesText(answer.count)} found`;
    const kept = answer.edits === 1 ? "1 edited answer" : `${number(answer.edits)} edited answers`;
    Object.assign(thumbs, { hidden: !answer.thumbs, textContent: `Export ${answer.thumbs}` });
    Object.assign(edits, { hidden: !answer.edits, textContent: `Export ${kept}` });
    table.show(answer.rows.map((vote) => voteRow(vote, props, changeTo, (id) => remove({ id }))));
    all.disabled = saving.disabled = !answer.count;
    pages.set(answer.page, answer.pages);
    root.dataset.count = answer.count;
  }

  const draw = whenVotesChange(root, async () => {
    const answer = await last(server.find_votes({ ...search.wanted(), page }));
    if (answer?.error) say(answer.error, true);
    else if (answer) show(answer);
  });
  follow(props, watch, ({ note, failed }) => {
    say(note, failed);
    if (!failed) again.forget();
    announceVotes();
  });
}
