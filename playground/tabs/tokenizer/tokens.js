// The text as tokens, in several vocabularies side by side.

import { about, button, checkbox, facts, make, number, pager } from "../../../assets/dom.js";
import { bytesOf } from "../../../assets/files.js";
import { ask, drawWhenSeen } from "../../../assets/server.js";
import { chip, fill, passage, spacedHex, unchanged } from "../../../assets/tokens.js";
import { tokenDetails, wordOf } from "./token_details.js";

const ABOUT =
  "Each coloured piece is one token; the same text costs each vocabulary a different number of them. Point at a " +
  "token to see its id and bytes; click it to see how it was built and what the model finds similar. " +
  "Any tokenizer.json of byte-level BPE can be opened beside the others: Llama 3's, Qwen's, OLMo's. It keeps the " +
  "name of its file.";
const COPY = "Copy ids";
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
  let views = new Map(); // by vocabulary
  const drawColumns = () => {
    const before = views;
    views = new Map(seen.columns.map(({ name }) => [name, before.get(name) ?? makeColumn(one, server)]));
    for (const found of seen.columns) views.get(found.name).draw(found, { ...wish, ...shown });
    const sections = [...views.values()].map(({ section }) => section);
    if (sections.some((section, i) => section !== columns.children[i]) || columns.children[sections.length])
      columns.replaceChildren(...sections);
  };

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

// The text in one vocabulary. As one types, the tokens before the first that differs stay as they are.
function makeColumn(one, server) {
  const [section, head, below] = [make("section", "pg-column"), make("div", "pg-column-head"), make("div")];
  let [found, wish, drawn] = [null, null, []];
  const copy = copyButton(() => ({ found, wish }), server);
  const describe = (i) => describeToken(found, i, frequencies.get(found.digest));
  const open = (i) => one.open({ vocabulary: found.name, model: wish.model, id: found.tokens[i] });
  const root = passage("", describe, open);
  section.append(head, root, below);

  function drawChips({ tokens, odd, entries }) {
    const shows = tokens.map((id, i) => [id, odd[i], wish.ids, wish.spaces].join());
    const isPart = (i) => root.querySelectorAll(".pg-chip")[i].closest(".pg-character") !== null;
    const kept = unchanged(drawn, shows, isPart);
    drawn = shows;
    const chips = tokens.slice(kept).map((id, i) => {
      const node = chip(entries[id][0], (kept + i) % 5, wish.spaces);
      if (odd[kept + i]) node.classList.add("pg-odd");
      if (wish.ids) node.append(make("span", "pg-chip-id", id));
      return node;
    });
    const hexes = tokens.slice(kept).map((id) => entries[id][0]);
    fill(root, chips, hexes, kept);
  }

  function draw(answer, asked) {
    if (answer.digest !== found?.digest) drawn = []; // another vocabulary of this name
    [found, wish] = [answer, asked];
    section.dataset.vocabulary = found.name;
    head.replaceChildren(make("h3", "", found.title));
    root.hidden = Boolean(found.error);
    if (found.error) return below.replaceChildren(make("p", "pg-error", found.error));
    if (found.tokens.length) head.append(copy);
    copy.textContent = COPY;
    root.classList.toggle("pg-with-ids", wish.ids);
    root.setAttribute("aria-label", `Tokens of ${found.title}`);
    drawChips(found);
    const leftOut = found.left_out.length
      ? [make("p", "pg-note", `Shown without what its file also asks for: ${found.left_out.join("; ")}.`)]
      : [];
    below.replaceChildren(facts(found.counts), ...leftOut);
  }

  return { section, draw };
}

// All ids of the text, also those on other pages, as a list that JSON, Python and JavaScript read.
function copyButton(shown, server) {
  const copy = button(COPY, async () => {
    const { name, tokens, total } = shown().found;
    const { ids, error } =
      tokens.length === total
        ? { ids: tokens }
        : await ask(server.all_ids({ vocabulary: name, text: shown().wish.text }));
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
