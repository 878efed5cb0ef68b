// The text as tokens, in several vocabularies side by side.

import { facts, make, number, pager } from "../../../assets/dom.js";
import { bytesOf } from "../../../assets/files.js";
import { ask, drawWhenSeen } from "../../../assets/server.js";
import { chip, fill, passage, spacedHex } from "../../../assets/tokens.js";
import { tokenDetails, wordOf } from "./token_details.js";

/** @type {Map<string, Uint32Array | null>} */
const frequencies = new Map(); // a vocabulary's digest -> how often each id is in Shakespeare; null while it is counted

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  const root = element.querySelector(".pg-tokens");
  const [summary, legend, columns] = [make("div"), make("p", "pg-note"), make("div", "pg-columns")];
  const one = tokenDetails(server);
  let page = 0;
  const pages = pager((to) => {
    page = to;
    again();
  });
  const again = drawWhenSeen(root, props, watch, async (wish) => {
    const answer = await ask(server.tokenize({ ...wish, text: wish.text.toWellFormed(), page }));
    if (!summary.isConnected) root.replaceChildren(summary, legend, columns, pages.root, one.root);
    if (answer.error) return columns.replaceChildren(make("p", "pg-error", answer.error));
    page = answer.page;
    summary.replaceChildren(facts(answer.counts));
    legend.replaceChildren(...answer.legend.map(([className, text]) => make("span", className, text)));
    columns.replaceChildren(...answer.columns.map((found) => column(found, wish, one)));
    pages.set(answer.page, answer.pages);
    root.dataset.text = wish.text.length; // what is drawn, for whoever waits for it
    for (const found of answer.columns) if (!found.error) countOnce(server, found);
  });
}

async function countOnce(server, { name, digest }) {
  if (frequencies.has(digest)) return;
  frequencies.set(digest, null);
  const answer = await ask(server.frequencies({ vocabulary: name }));
  if (answer.error) frequencies.delete(digest);
  else frequencies.set(digest, new Uint32Array(bytesOf(answer.counts).buffer));
}

function column(found, { ids, spaces, model }, one) {
  const section = make("section", "pg-column");
  section.dataset.vocabulary = found.name;
  section.append(make("h3", "", found.title));
  if (found.error) {
    section.append(make("p", "pg-error", found.error));
    return section;
  }
  const { name, title, tokens, odd, entries, digest, counts } = found;
  const describe = (i) => describeToken(found, i, frequencies.get(digest));
  const root = passage(`Tokens of ${title}`, describe, (i) => one.open({ vocabulary: name, model, id: tokens[i] }));
  root.classList.toggle("pg-with-ids", ids);
  const chips = tokens.map((id, i) => {
    const node = chip(entries[id][0], i % 5, spaces);
    if (odd[i]) node.classList.add("pg-odd");
    if (ids) node.append(make("span", "pg-chip-id", id));
    return node;
  });
  fill(
    root,
    chips,
    tokens.map((id) => entries[id][0]),
  );
  section.append(facts(counts), root);
  return section;
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
    ["in Shakespeare (1 MB)", counted ? `${number(counted[tokens[i]])}×` : "counting …"],
  ];
  if (odd[i]) told.push(["cut differently", "not a token in all vocabularies here"]);
  return told;
}
