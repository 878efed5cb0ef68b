// One token: how it was built, and what is near it in the model.

import { button, facts, make, number, visibleSpaces } from "../../../assets/dom.js";
import { latest } from "../../../assets/server.js";
import { spacedHex, visible } from "../../../assets/tokens.js";

/** A token as a word of a sentence. @param {string} hex */
export const wordOf = (hex) => visibleSpaces(visible(hex).text);

/**
 * A place for a token's details; `open({vocabulary, model, id})` or `open({..., hex})` fills it. `keepIf` closes it
 * unless what was asked for is still there.
 * @param {import("../../../assets/server.js").View["server"]} server
 * @returns {{root: HTMLElement, open: (request: any) => Promise<void>, close: () => void,
 *   keepIf: (isThere: (request: any) => boolean) => void}}
 */
export function tokenDetails(server) {
  const root = make("section", "pg-details");
  root.setAttribute("aria-live", "polite");
  root.hidden = true;
  const fetchDetails = latest();
  let asked = null;
  const close = () => (root.hidden = true);
  const keepIf = (isThere) => {
    if (asked && !isThere(asked)) close();
  };
  const open = (request) => show((asked = request));

  async function show(request) {
    const answer = await fetchDetails(server.details(request));
    if (!answer) return;
    const closing = button("Close", close, "pg-button pg-close");
    root.hidden = false;
    if (answer.error) return root.replaceChildren(closing, make("p", "pg-error", answer.error));
    const both = make("div", "pg-two");
    both.append(
      origin(answer),
      neighbours(answer, (id) => show({ ...request, hex: undefined, id })),
    );
    root.replaceChildren(closing, heading(answer), figures(answer), both);
    root.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  return { root, open, close, keepIf };
}

function heading({ hex, vocabulary }) {
  const title = make("h3");
  title.append("The token ", make("code", "", wordOf(hex)), ` of ${vocabulary}`);
  return title;
}

const figures = ({ id, hex, frequency }) =>
  facts([
    ["id", number(id)],
    ["bytes", spacedHex(hex)],
    ["times in the 1 MB sample of Shakespeare", number(frequency)],
  ]);

function origin({ tree, story }) {
  const part = make("div");
  part.append(make("h4", "", "How it was built"), make("p", "pg-note", story));
  if (tree) {
    const list = make("ul", "pg-tree");
    list.append(branch(tree));
    part.append(list);
  }
  return part;
}

function branch([hex, merge, parts]) {
  const item = make("li");
  const node = make("span", "pg-node");
  node.append(
    make("span", "pg-node-text", wordOf(hex)),
    make("span", "pg-node-merge", merge ? `merge ${number(merge)}` : "byte"),
  );
  item.append(node);
  if (parts.length) {
    const list = make("ul");
    list.append(...parts.map(branch));
    item.append(list);
  }
  return item;
}

function neighbours({ neighbours: near, why }, open) {
  const part = make("div");
  const list = make("ol", "pg-near");
  for (const [hex, id, cosine] of near) {
    const item = make("li");
    const pick = button(wordOf(hex), () => open(id));
    pick.title = `id ${id}: show its details`;
    const bar = make("span", "pg-share");
    bar.style.setProperty("--share", Math.max(0, cosine));
    item.append(pick, bar, make("span", "pg-cosine", cosine.toFixed(3)));
    list.append(item);
  }
  part.append(make("h4", "", "Nearest in the model's embedding"), make("p", "pg-note", why), list);
  return part;
}
