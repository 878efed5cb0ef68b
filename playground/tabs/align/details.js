// What a run shows of itself, evaluation by evaluation. Which pictures that are is seen from what its details hold.

import { make, number } from "../../../assets/dom.js";
import { calibration } from "./calibration.js";
import { groups } from "./groups.js";
import { pairs } from "./pairs.js";
import { rollouts } from "./rollouts.js";

/**
 * A picture of one kind of details. `draw` gets all lines that hold it, and the place of the one that is looked at.
 * @typedef {{root: HTMLElement, draw: (lines: any[], index: number) => unknown}} Picture
 */

/** {what a line holds: its picture}. @type {Record<string, (figure: any) => Picture>} */
const KINDS = { calibration, pairs, rollouts, groups };

/**
 * The lines of details.jsonl by the kinds that they hold; one that is empty says nothing.
 * @param {any[]} lines
 * @param {string[]} [kinds]
 * @returns {Map<string, any[]>}
 */
export function byKind(lines, kinds = Object.keys(KINDS)) {
  const found = kinds.map((kind) => [kind, lines.filter((line) => line[kind]?.length)]);
  return new Map(/** @type {[string, any[]][]} */ (found.filter(([, some]) => some.length)));
}

/**
 * Where a slider over evaluations stands when there are more: at the latest one, unless somebody looks back.
 * @param {number} at
 * @param {number} before how many there were
 * @param {number} now
 */
export const followLatest = (at, before, now) => (at >= before - 1 ? now - 1 : at);

function timeline(choose) {
  const root = make("label", "pg-choice pg-timeline", "after step");
  const slider = make("input");
  const shown = make("output", "pg-number-shown");
  Object.assign(slider, { type: "range", min: 0, step: 1 });
  slider.setAttribute("aria-label", "evaluation");
  let steps = [];
  const say = () => {
    shown.textContent = number(steps[slider.value] ?? 0);
    slider.setAttribute("aria-valuetext", `step ${shown.textContent}`);
  };
  slider.oninput = () => (say(), choose(Number(slider.value)));
  root.append(slider, shown);
  const set = (newSteps) => {
    const at = followLatest(Number(slider.value), steps.length, newSteps.length);
    steps = newSteps;
    slider.max = steps.length - 1;
    slider.value = at;
    root.hidden = steps.length < 2;
    say();
    return at;
  };
  return { root, set };
}

// The picture of one kind, with a slider over the evaluations that hold it.
function pictureInTime(picture) {
  const root = make("div", "pg-details-of-stage");
  const lines = [];
  const time = timeline((index) => picture.draw(lines, index));
  root.append(time.root, picture.root);
  const add = (news) => {
    lines.push(...news);
    return picture.draw(lines, time.set(lines.map(({ step }) => step)));
  };
  return { root, add };
}

/**
 * All that a run shows of itself: a picture for each kind of details, as soon as there are such.
 * @param {any} figure see playground/tabs/align/pictures.py
 */
export function detailsOf(figure) {
  const root = make("div", "pg-details-part");
  let shown = {};
  const clear = () => {
    shown = {};
    root.replaceChildren();
    root.hidden = true;
  };
  const add = async (news) => {
    for (const [kind, lines] of byKind(news)) {
      const isNew = !shown[kind];
      shown[kind] ??= pictureInTime(KINDS[kind](figure));
      if (isNew) root.append(shown[kind].root);
      root.hidden = false;
      await shown[kind].add(lines);
    }
  };
  clear();
  return { root, add, clear };
}
