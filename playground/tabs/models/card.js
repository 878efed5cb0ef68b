// A checkpoint as a row of the list: its name, its kind and size, and the one figure that tells how good it is.

import { button, make } from "../../../assets/dom.js";
import { certaintyText, figureText, megabytes, shortCount } from "./amounts.js";

const MOST_INDENTED = 4;

/**
 * @param {any} one see `short` in playground/tabs/models/cards.py
 * @param {number} depth below how many ancestors it stands
 * @param {boolean} isChosen
 * @param {() => unknown} choose
 */
export function modelRow(one, depth, isChosen, choose) {
  const node = button("", choose, "pg-button pg-model-card");
  node.dataset.kind = one.kind;
  node.dataset.key = `card-${one.name}`;
  node.style.marginLeft = `${Math.min(depth, MOST_INDENTED)}rem`;
  node.setAttribute("aria-pressed", String(isChosen));
  const about = [one.kind, one.weights ? shortCount(one.weights) : megabytes(one.size)];
  if (one.read_only) about.push("read-only");
  node.append(make("strong", "pg-model-name", one.name));
  if (one.figure) node.append(make("strong", "pg-model-value", figureText(one.figure)));
  node.append(make("span", "pg-model-small pg-model-about", about.join(" · ")));
  if (one.figure) node.append(make("span", "pg-model-small pg-model-figure", one.figure.name));
  const certainty = one.figure ? certaintyText(one.figure) : "";
  if (certainty) {
    const interval = make("span", "pg-model-small pg-model-certainty", certainty);
    interval.title = "with its 95 % interval";
    node.append(interval);
  }
  if (one.trouble) node.append(make("span", "pg-error pg-model-small", one.trouble));
  return node;
}
