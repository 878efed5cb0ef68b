// The small buttons below a turn.

import { button, make } from "../../../assets/dom.js";

/** @typedef {import("./turns.js").Turn} Turn */

const BRANCH_ABOUT = "Go on from this turn; what came after it is kept on a branch of its own";

/**
 * A small button. Who pressed it finds it again by its key when all is drawn anew.
 * @param {string} key
 * @param {string} text
 * @param {(event?: any) => unknown} onclick
 * @param {string} [title]
 */
export function tool(key, text, onclick, title = "") {
  const node = button(text, onclick, "pg-button pg-small");
  node.dataset.key = key;
  if (title) node.title = title;
  return node;
}

/** @param {string} key @param {() => string} text */
export const copyTool = (key, text) =>
  tool(key, "Copy", async (event) => {
    await navigator.clipboard.writeText(text());
    event.target.textContent = "Copied";
  });

/**
 * ‹ 2 of 3 ›, where a turn has others in its place.
 * @param {Turn} turn
 * @param {Turn[]} all it, and those in its place
 * @param {(turn: Turn) => void} show
 * @returns {HTMLElement[]}
 */
export function branchTools(turn, all, show) {
  if (all.length < 2) return [];
  const at = all.indexOf(turn);
  const to = (side, text, i, title) => {
    const node = tool(`${turn.id}-${side}`, text, () => show(all[i]), title);
    node.setAttribute("aria-label", title);
    node.disabled = !all[i];
    return node;
  };
  return [
    to("left", "‹", at - 1, "The branch before"),
    make("span", "pg-note", `${at + 1} of ${all.length}`),
    to("right", "›", at + 1, "The next branch"),
  ];
}

/** @param {Turn} turn @param {(turn: Turn) => void} goTo */
export const goOnTool = (turn, goTo) => tool(`${turn.id}-branch`, "Branch here", () => goTo(turn), BRANCH_ABOUT);
