// What is asked before anything is measured: a choice, a number or a curve; afterwards, the outcome laid over it.

import { choice, make } from "../../../assets/dom.js";
import { sketch } from "./sketch.js";
import { fromSlider, shownNumber, toSlider } from "./scale.js";

const STEPS = 200; // of a slider

/**
 * `outcome` is undefined before it is measured; then the prediction stands as it is.
 * @typedef {{predicted: any, outcome: any, change: (prediction: any) => void}} Asked
 */

/**
 * @param {any} prediction of playground/tabs/learn/lesson.py, with its `kind`
 * @param {Asked} asked
 * @returns {{root: HTMLElement, wide: boolean}} `wide`: it needs the room of the panel
 */
export function predictionInput(prediction, asked) {
  if (prediction.kind === "choice") return { root: choiceInput(prediction, asked), wide: false };
  if (prediction.kind === "match") return { root: matchInput(prediction, asked), wide: false };
  if (prediction.kind === "slider") return { root: sliderInput(prediction, asked), wide: false };
  return { root: sketch(prediction, asked), wide: true };
}

function choiceInput({ question, options }, { predicted, outcome, change }) {
  const root = make("div", "pg-predict pg-predict-choice");
  root.setAttribute("role", "radiogroup");
  root.setAttribute("aria-label", question);
  const name = `pg-choice-${Math.random()}`;
  for (const option of options) {
    const [line, box] = [make("label", "pg-predict-option"), make("input")];
    Object.assign(box, { type: "radio", name, value: option, checked: option === predicted });
    box.disabled = outcome !== undefined;
    box.onchange = () => change(option);
    line.append(box, make("span", "", option));
    if (outcome !== undefined && option === predicted)
      line.append(make("span", "pg-lesson-mark pg-lesson-guess", "you"));
    if (outcome !== undefined && option === outcome)
      line.append(make("span", "pg-lesson-mark pg-lesson-found", "measured"));
    root.append(line);
  }
  return root;
}

// One item, with what it was taken for if that is not what was measured.
function matched(item, guess, found) {
  const line = make("p", "pg-predict-matched");
  const mark = (name, kind) => make("span", `pg-lesson-mark pg-lesson-${kind}`, name);
  const said = (...parts) => {
    const one = make("span");
    one.append(...parts);
    return one;
  };
  const right = said(mark("measured", "found"), ` ${found}`);
  line.append(make("b", "", item), ...(guess === found ? [mark("you", "guess"), right] : [right]));
  if (guess !== found) line.append(said(mark("you", "guess"), ` ${guess}`));
  return line;
}

// A list of options for each item; it is a prediction once all are chosen.
function matchInput({ question, items, options }, { predicted, outcome, change }) {
  const root = make("div", "pg-predict pg-predict-match");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", question);
  if (outcome !== undefined) {
    root.append(...items.map((item, i) => matched(item, predicted[i], outcome[i])));
    return root;
  }
  const chosen = items.map((_, i) => predicted?.[i] ?? "");
  /** @type {[string, string][]} */
  const named = [["", "choose …"], ...options.map((option) => /** @type {[string, string]} */ ([option, option]))];
  items.forEach((item, i) => {
    const line = choice(item, named, (option) => {
      chosen[i] = option;
      if (chosen.every(Boolean)) change([...chosen]);
    });
    line.select.value = chosen[i];
    root.append(line);
  });
  return root;
}

function sliderInput(prediction, { predicted, outcome, change }) {
  const { question, low, high, unit } = prediction;
  const root = make("div", "pg-predict pg-predict-slider");
  if (outcome !== undefined) {
    root.append(numberLine(prediction, predicted, outcome));
    return root;
  }
  const [slider, shown] = [make("input"), make("output", "pg-predict-number")];
  const start = predicted === undefined ? STEPS / 2 : STEPS * toSlider(prediction, predicted);
  Object.assign(slider, { type: "range", min: 0, max: STEPS, step: 1, value: Math.round(start) });
  slider.setAttribute("aria-label", question);
  const value = () => fromSlider(prediction, Number(slider.value) / STEPS);
  const show = () => {
    const text = shownNumber(value(), unit);
    shown.textContent = text;
    slider.setAttribute("aria-valuetext", text);
  };
  slider.oninput = show;
  slider.onchange = () => change(value());
  show();
  const ends = make("div", "pg-predict-ends");
  ends.append(make("span", "", shownNumber(low, unit)), make("span", "", shownNumber(high, unit)));
  root.append(shown, slider, ends);
  return root;
}

// A line with both numbers on it.
function numberLine(prediction, predicted, outcome) {
  const { low, high, unit } = prediction;
  const root = make("div", "pg-line");
  const track = make("div", "pg-line-track");
  const marks = [
    ["you", predicted, "guess"],
    ["measured", outcome, "found"],
  ];
  for (const [name, value, kind] of marks) {
    const mark = make("span", `pg-line-mark pg-lesson-${kind}`);
    mark.style.setProperty("--at", String(Math.min(1, Math.max(0, toSlider(prediction, value)))));
    track.append(mark);
    const said = make("p", "pg-line-said");
    said.append(make("span", `pg-lesson-mark pg-lesson-${kind}`, name), ` ${shownNumber(value, unit)}`);
    root.append(said);
  }
  const ends = make("div", "pg-predict-ends");
  ends.append(make("span", "", shownNumber(low, unit)), make("span", "", shownNumber(high, unit)));
  root.append(track, ends);
  return root;
}
