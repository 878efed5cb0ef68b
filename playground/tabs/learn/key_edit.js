// Edit one key so that a head looks where one wants: click a token, and its key changes as little as it must.

import { button, make, visibleSpaces } from "../../../assets/dom.js";
import { keyChange, softmax } from "./key_weights.js";

const WANTED = 0.9; // of the attention
const HOW = "Click a token: its key is changed, as little as possible, until it gets nine tenths of the attention.";

/** @param {any} part Keys of playground/tabs/learn/lesson.py */
export function keyEdit(part) {
  const { tokens, query, scores, key_lengths } = part;
  const names = tokens.map(visibleSpaces);
  const [root, row, said, bars] = [make("div"), make("div", "pg-token-row"), make("p"), make("table", "pg-table")];
  said.setAttribute("role", "status");
  const before = softmax(scores);

  const show = (key) => {
    [...row.children].forEach((node, i) => node.setAttribute("aria-pressed", String(i === key)));
    if (key === null) said.textContent = HOW;
    else {
      const { change, score } = keyChange(part, key, WANTED);
      const percent = Math.round((100 * Math.abs(change)) / key_lengths[key]);
      const after = softmax(scores.map((old, i) => (i === key ? score : old)));
      const direction = change < 0 ? "against" : "along";
      const rest = Math.round((100 * (1 - after[key])) / (1 - before[key]));
      said.textContent =
        `The key of “${names[key]}” moves by ${Math.abs(change).toFixed(2)} ${direction} the query, ` +
        `${percent} % of its own length. Its weight goes from ${before[key].toFixed(2)} to ${after[key].toFixed(2)}; ` +
        `every other token keeps ${rest} % of what it had.`;
      return fillTable(after);
    }
    fillTable(before);
  };
  const fillTable = (weights) => {
    const head = make("tr");
    head.append(...["key", "before", "now", ""].map((title) => make(title ? "th" : "td", "", title)));
    bars.replaceChildren(head);
    weights.forEach((weight, i) => {
      const line = make("tr");
      const bar = make("td", "pg-bar");
      bar.style.setProperty("--weight", String(weight));
      line.append(
        make("td", "pg-mono", names[i]),
        make("td", "", before[i].toFixed(3)),
        make("td", "", weight.toFixed(3)),
        bar,
      );
      bars.append(line);
    });
  };

  row.append(...names.slice(0, query + 1).map((name, i) => button(name, () => show(i), "pg-token")));
  const around = make("div", "pg-table-around");
  around.append(bars);
  root.append(
    row,
    said,
    around,
    button("As it was", () => show(null)),
  );
  show(null);
  return root;
}
