// A classifier, tried on a text: its classes with their probabilities.

import { make } from "../../../assets/dom.js";
import { drawWhenRested } from "../../../assets/server.js";

function classRow([label, share]) {
  const row = make("tr");
  const bar = make("td", "pg-bar");
  bar.style.setProperty("--weight", share);
  row.append(make("td", "", label), make("td", "", `${(100 * share).toFixed(1)} %`), bar);
  return row;
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-try");
  drawWhenRested(root, props, watch, async (values, ask) => {
    if (!values.model) return;
    const answer = await ask(server.classify({ ...values, text: values.text.toWellFormed() }));
    if (!answer) return;
    if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
    const classes = make("table", "pg-table");
    classes.append(...answer.likely.map(classRow));
    root.replaceChildren(classes, make("p", "pg-note", answer.note));
  });
}
