// From a run to where its model can be tried: in Chat beside its parent, and in Before and after.

import { choose, goTo, unfold, waitFor } from "../../tour/places.js";

const [ALIGN, BOTH] = ["align", "Before and after"];
const find = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));

/** @param {string} model @param {string | null} before its parent, if it has one */
export async function chatWithBoth(model, before) {
  await goTo("chat");
  await choose("model-picker", model);
  if (!before) return;
  await unfold("chat-manner");
  const select = await waitFor(() => find(`#chat-beside select:has(option[value="${before}"])`));
  if (!select) return;
  select.value = before;
  select.dispatchEvent(new Event("change"));
}

// The later one says which it came from; any other is chosen by hand.
async function chooseBoth(model, before) {
  await goTo(ALIGN, BOTH);
  await choose("compare-after", model);
  const suits = () => find("#compare-before input")?.value === before;
  if (!(await waitFor(suits))) await choose("compare-before", before);
}

/** @param {string} model @param {string} before */
export async function compareBoth(model, before) {
  await chooseBoth(model, before);
  find("#compare-start").click();
}

/** @param {string} model @param {string} before */
export async function voteBlind(model, before) {
  await chooseBoth(model, before);
  await unfold("compare-blind");
  await waitFor(() => find("#align-vote .pg-vote-text"));
  find("#compare-blind").scrollIntoView({ block: "start" });
}
