// A checkpoint as a card.

import { button, make } from "../../../assets/dom.js";
import { figureText, megabytes, shortCount } from "./amounts.js";

/**
 * @param {any} one see `short` in playground/tabs/models/cards.py
 * @param {boolean} isChosen
 * @param {() => unknown} choose
 */
export function modelCard(one, isChosen, choose) {
  const node = button("", choose, "pg-button pg-model-card");
  node.dataset.kind = one.kind;
  node.dataset.key = `card-${one.name}`;
  node.setAttribute("aria-pressed", String(isChosen));
  const size = [one.weights ? `${shortCount(one.weights)} weights` : "", megabytes(one.size)].filter(Boolean);
  node.append(make("strong", "", one.name), make("span", "pg-model-kind", one.kind));
  node.append(make("span", "pg-model-small", size.join(" · ")));
  if (one.read_only)
    node.append(Object.assign(make("span", "pg-model-small", "read-only"), { title: `It lies in ${one.read_only}` }));
  if (one.trouble) node.append(make("span", "pg-error", one.trouble));
  for (const item of one.report) node.append(make("span", "pg-model-small", `${item.name}: ${figureText(item)}`));
  return node;
}
