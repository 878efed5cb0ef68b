// When the parts of the tab are drawn: whenever votes have come or gone.

import { isVisible } from "../../../assets/dom.js";
import { onVotes } from "../../../assets/votes.js";

/**
 * Draw whenever votes have come or gone, if `root` can be seen, or else once it is: it may lie below the vote. Returns
 * a function that says that something else has changed.
 * @param {HTMLElement} root
 * @param {() => Promise<unknown>} draw
 */
export function whenVotesChange(root, draw) {
  let [stale, seen] = [true, false];
  const update = async () => {
    stale = !seen || !isVisible(root);
    if (!stale) await draw();
  };
  const look = (/** @type {IntersectionObserverEntry[]} */ entries) => {
    seen = entries.at(-1).isIntersecting;
    if (stale) update();
  };
  new IntersectionObserver(look, { rootMargin: "150px" }).observe(root);
  onVotes(update);
  return update;
}
