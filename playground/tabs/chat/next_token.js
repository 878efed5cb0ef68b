// Which token comes next, as the model has it and after the sampling settings.

import { about, headCell, isVisible, make, number, visibleSpaces } from "../../../assets/dom.js";
import { debounce, latest } from "../../../assets/server.js";
import { visible } from "../../../assets/tokens.js";
import { barCells, percent } from "./probability.js";
import { conversation } from "./this_conversation.js";

const REST = 80; // ms without a change until it is asked for
const ABOUT = "How likely each token is to begin the next answer: as the model has it, and after the settings above.";

function tableOf(tokens) {
  const [table, head] = [make("table", "pg-table pg-next-table"), make("tr")];
  head.append(headCell("token"), headCell("model", 2), headCell("with your settings", 2));
  table.append(head);
  const most = Math.max(...tokens.flatMap(([, own, draws]) => [own, draws]));
  for (const [hex, own, draws] of tokens) {
    const line = make("tr", draws ? "" : "pg-cut");
    line.append(
      make("td", "pg-mono", visibleSpaces(visible(hex).text)),
      ...barCells(own, most, percent(own)),
      ...barCells(draws, most, draws ? percent(draws) : "ruled out", "pg-bar-1"),
    );
    table.append(line);
  }
  return table;
}

function parts({ tokens, kept, of, entropy }) {
  const [before, after] = entropy.map((bits) => `${bits.toFixed(1)} bits`);
  const drawn = `${number(kept)} of ${number(of)} tokens can be drawn`;
  const summary = make("p", "pg-note", `${drawn}. Entropy: ${before} in the model, ${after} with your settings.`);
  const title = make("h3", "", "What may come next ");
  title.append(about(ABOUT));
  return [title, tableOf(tokens), summary];
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-next");
  const empty = root.firstElementChild;
  const last = latest(root);
  const measure = debounce(async () => {
    if (!conversation.model() || !isVisible(root)) return;
    const messages = conversation.upcoming(true);
    const request = { wish: conversation.settings(), messages };
    const answer = await last(messages.length ? server.next_token(request) : Promise.resolve({ tokens: [] }));
    if (answer) root.replaceChildren(...(answer.tokens.length ? parts(answer) : [empty]));
  }, REST);
  conversation.onChange(measure);
  new IntersectionObserver(measure).observe(root);
}
