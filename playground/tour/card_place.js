// Where the tour's card stands: beside what it explains, and on it as little as can be. No drawing.

const GAP = 12; // pixels around the card

/**
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box in pixels of the window
 * @typedef {{width: number, height: number}} Size
 */

const within = (at, size, all) => Math.max(GAP, Math.min(at, all - size - GAP));

/** How much of the card would lie on the target, in square pixels. @param {Box} target @param {Box} card */
const overlap = (target, card) =>
  Math.max(0, Math.min(target.right, card.right) - Math.max(target.left, card.left)) *
  Math.max(0, Math.min(target.bottom, card.bottom) - Math.max(target.top, card.top));

/**
 * Right of the target, left of it, below or above, and where none has room, the corner that covers least of it.
 * @param {Box} target
 * @param {Size} card
 * @param {Size} view the window
 */
export function placeOf(target, card, view) {
  const beside = [
    [target.right + GAP, target.top],
    [target.left - GAP - card.width, target.top],
    [target.left, target.bottom + GAP],
    [target.left, target.top - GAP - card.height],
  ];
  const corners = [view.height, 0].flatMap((top) => [view.width, 0].map((left) => [left, top]));
  const places = [...beside, ...corners].map(([x, y]) => {
    const [left, top] = [within(x, card.width, view.width), within(y, card.height, view.height)];
    const box = { left, top, right: left + card.width, bottom: top + card.height };
    return { left, top, covered: overlap(target, box) };
  });
  return places.reduce((best, place) => (place.covered < best.covered ? place : best));
}

/**
 * Where a target is scrolled to that cannot be seen whole, or not beside the card: to the middle if the card has room
 * above and below it, else to the top; null if it may stay where it is.
 * @param {Box} target
 * @param {Size} card
 * @param {Size} view
 */
export function scrollFor(target, card, view) {
  const inView = target.top >= 0 && target.bottom <= view.height;
  if (inView && placeOf(target, card, view).covered === 0) return null;
  return target.bottom - target.top + 2 * (card.height + 2 * GAP) <= view.height ? "center" : "start";
}
