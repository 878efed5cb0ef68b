// The text as tokens, in several vocabularies side by side.

import { about, button, checkbox, facts, make, number, pager } from "../../../assets/dom.js";
import { bytesOf } from "../../../assets/files.js";
import { ask, drawWhenSeen } from "../../../assets/server.js";
import { chip, fill, passage, spacedHex } from "../../../assets/tokens.js";
import { tokenDetails, wordOf } from "./token_details.js";

const ABOUT =
  "Each coloured piece is one token; the same text costs each vocabulary a different number of them. Point at a " +
  "token to see its id and bytes; click it to see how it was built and what the model finds similar. " +
  "Any tokenizer.json of byte-level BPE can be opened beside the others: Llama 3's, Qwen's, OLMo's. It keeps the " +
  "name of its file.";
const CUT_DIFFERENTLY = " tokens are cut differently: not every vocabulary here has a token in that place. ";

/** @type {Map<string, Uint32Array | null>} */
const frequencies = new Map(); // a vocabulary's digest -> how often each id is in Shakespeare; null while it is counted

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  const root = element.querySelector(".pg-tokens");
  const [tools, columns, below] = [make("div", "pg-tools"), make("div", "pg-columns"), make("div", "pg-of-text")];
  const shown = { ids: true, spaces: false };
  const one = tokenDetails(server);
  let [page, seen, wish] = [0, null, null];
  const tick = (name, label) =>
    checkbox(label, shown[name], (checked) => {
      shown[name] = checked;
      if (seen) drawColumns();
    });
  tools.append(tick("ids", "Show ids"), tick("spaces", "Show spaces"), about(ABOUT));
  const pages = pager((to) => {
    page = to;
    again();
  });
  const drawColumns = () =>
    columns.replaceChildren(...seen.columns.map((found) => column(found, { ...wish, ...shown }, one, server)));

  const again = drawWhenSeen(root, props, watch, async (next) => {
    wish = { ...next, text: next.text.toWellFormed() };
    const answer = await ask(server.tokenize({ ...wish, page }));
    if (!tools.isConnected) root.replaceChildren(tools, columns, pages.root, below, one.root);
    if (answer.error) return columns.replaceChildren(make("p", "pg-error", answer.error));
    [seen, page] = [answer, answer.page];
    drawColumns();
    below.replaceChildren(legend(answer, wish.text), facts(answer.counts));
    pages.set(answer.page, answer.pages);
    one.keepIf(({ vocabulary, id }) =>
      answer.columns.some((found) => found.name === vocabulary && found.entries?.[id]),
    );
    root.dataset.text = wish.text.length; // what is drawn, for whoever waits for it
    for (const found of answer.columns) if (!found.error) countOnce(server, found);
  });
}

function legend({ columns, pages }, text) {
  const line = make("p", "pg-note");
  if (!text) line.append("Type a few words above to see their tokens.");
  else if (columns.length > 1) line.append(make("span", "pg-odd", "Underlined"), CUT_DIFFERENTLY);
  if (pages > 1) line.append(`The figures are for the whole text, which is shown in ${number(pages)} pages.`);
  return line;
}

async function countOnce(server, { name, digest }) {
  if (frequencies.has(digest)) return;
  frequencies.set(digest, null);
  const answer = await ask(server.frequencies({ vocabulary: name }));
  if (answer.error) frequencies.delete(digest);
  else frequencies.set(digest, new Uint32Array(bytesOf(answer.counts).buffer));
}

function column(found, wish, one, server) {
  const [section, head] = [make("section", "pg-column"), make("div", "pg-column-head")];
  section.dataset.vocabulary = found.name;
  head.append(make("h3", "", found.title));
  section.append(head);
  if (found.error) {
    section.append(make("p", "pg-error", found.error));
    return section;
  }
  const { name, title, tokens, odd, entries, digest, counts, left_out: leftOut } = found;
  if (tokens.length) head.append(copyButton(found, wish, server));
  const describe = (i) => describeToken(found, i, frequencies.get(digest));
  const open = (i) => one.open({ vocabulary: name, model: wish.model, id: tokens[i] });
  const root = passage(`Tokens of ${title}`, describe, open);
  root.classList.toggle("pg-with-ids", wish.ids);
  const chips = tokens.map((id, i) => {
    const node = chip(entries[id][0], i % 5, wish.spaces);
    if (odd[i]) node.classList.add("pg-odd");
    if (wish.ids) node.append(make("span", "pg-chip-id", id));
    return node;
  });
  fill(
    root,
    chips,
    tokens.map((id) => entries[id][0]),
  );
  section.append(root, facts(counts));
  if (leftOut.length)
    section.append(make("p", "pg-note", `Shown without what its file also asks for: ${leftOut.join("; ")}.`));
  return section;
}

// All ids of the text, also those on other pages, as a list that JSON, Python and JavaScript read.
function copyButton({ name, tokens, total }, { text }, server) {
  const copy = button("Copy ids", async () => {
    const { ids, error } =
      tokens.length === total ? { ids: tokens } : await ask(server.all_ids({ vocabulary: name, text }));
    if (!error) await navigator.clipboard.writeText(`[${ids.join(", ")}]`);
    copy.textContent = error ?? (total === 1 ? "Copied 1 id" : `Copied ${number(total)} ids`);
  });
  copy.classList.add("pg-small");
  return copy;
}

/**
 * What is told of the i-th token when it is pointed at.
 * @param {any} found one vocabulary's answer
 * @param {number} i
 * @param {ArrayLike<number> | null | undefined} counted how often each id is in Shakespeare, if that is known yet
 * @returns {[string, string][]}
 */
export function describeToken({ tokens, odd, entries, merges }, i, counted) {
  const [hex, merge, here] = entries[tokens[i]];
  /** @type {[string, string][]} */
  const told = [
    ["token", wordOf(hex)],
    ["id", number(tokens[i])],
    ["bytes", spacedHex(hex)],
    ["rank", merge ? `merge ${number(merge)} of ${number(merges)}` : "a single byte"],
    ["in this text", `${number(here)}×`],
    ["in the 1 MB sample of Shakespeare", counted ? `${number(counted[tokens[i]])}×` : "counting …"],
  ];
  if (odd[i]) told.push(["cut differently", "not a token in all vocabularies here"]);
  return told;
}
