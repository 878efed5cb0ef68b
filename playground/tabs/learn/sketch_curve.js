// A curve that is being sketched: a value, or none yet, at each of a few places along x. No drawing.

import { fromSlider, toSlider } from "./scale.js";

const PLACES = 25; // along an axis that names none

/** The places along x at which a curve has values. @param {any} axis */
export const placesOf = (axis) =>
  axis.at.length ? axis.at : Array.from({ length: PLACES }, (_, i) => fromSlider(axis, i / (PLACES - 1)));

/** The place nearest to a share of the axis. @param {any} axis @param {number[]} places @param {number} share */
export function nearest(axis, places, share) {
  const away = places.map((place) => Math.abs(toSlider(axis, place) - share));
  return away.indexOf(Math.min(...away));
}

/**
 * The values after the pen went from one place to another; those between are drawn straight.
 * @param {(number | null)[]} values
 * @param {{place: number, value: number}} from
 * @param {{place: number, value: number}} to
 */
export function drawn(values, from, to) {
  const next = [...values];
  const ways = Math.abs(to.place - from.place);
  for (let i = 0; i <= ways; i++) {
    const share = ways ? i / ways : 1;
    next[from.place + Math.sign(to.place - from.place) * i] = from.value + (to.value - from.value) * share;
  }
  return next;
}

/**
 * The curve as points [x, y], what was left out filled up with its neighbours; null as long as there is nothing.
 * @param {number[]} places
 * @param {(number | null)[]} values
 * @returns {[number, number][] | null}
 */
export function curveOf(places, values) {
  const known = values.flatMap((value, i) => (value === null ? [] : [i]));
  if (!known.length) return null;
  return places.map((place, i) => {
    const [before, after] = [known.findLast((k) => k <= i) ?? known[0], known.find((k) => k >= i) ?? known.at(-1)];
    const share = after === before ? 0 : (i - before) / (after - before);
    return [place, values[before] + (values[after] - values[before]) * share];
  });
}
