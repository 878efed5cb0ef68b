// Why scores are divided by the square root of d_k: one head under any power of d_k.

import { colorTable } from "../../../assets/colors.js";
import { about, button, facts, make } from "../../../assets/dom.js";
import { bytesOf } from "../../../assets/files.js";
import { focus, onFocus } from "../../../assets/head_focus.js";
import { draw } from "../../../assets/plots.js";
import { ask, latest, oneAtATime } from "../../../assets/server.js";
import { paintHead } from "./head_pictures.js";
import { moveVerticalLine } from "./vertical_line.js";

const ABOUT =
  "The more numbers a query and a key have (d_k of them), the larger their products grow; the softmax then sees " +
  "only the largest, and its gradient dies. Dividing by √d_k keeps them in range (Vaswani et al. 2017, 3.2.1). " +
  "Drag from no scaling to too much, and watch the largest weight and the gradient.";
/** @type {[number, string][]} */
const PLACES = [
  [0, "no scaling"],
  [0.5, "÷ √d_k, as in every GPT"],
  [1, "÷ d_k"],
  [1.5, "too much"],
];
const VARIANCE_NOTE =
  "Theory: the product of d independent numbers of variance 1 has variance d. Here q and k are brought to " +
  "variance 1 in each dimension first; where this head leaves the line, its dimensions are not independent: " +
  "training made them so.";
const SOFTMAX_NOTE =
  "Near the left edge one token takes all, and hardly any gradient passes; near the right edge the head looks at " +
  "everything alike and has nothing to say. The line is where you are.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-lab");
  const [problem, title, told] = [make("div"), make("h3"), make("p", "pg-said-scale")];
  const [softmax, variance] = [make("div", "pg-plot"), make("div", "pg-plot")];
  const [canvas, numbers] = [make("canvas", "pg-scaled-head"), make("div")];
  const slider = powerSlider();
  const fetchLab = latest(problem);
  let d_k = 0;

  const show = oneAtATime(async () => {
    const { key, layer, head } = focus;
    const power = Number(slider.value);
    const found = await ask(server.at_power({ key, layer, head, power }));
    if (found.error) return problem.replaceChildren(make("p", "pg-error", found.error));
    problem.replaceChildren();
    paintHead(canvas, bytesOf(found.weights), 0, found.tokens.length, colorTable(found.scale));
    const factor = found.factor.toPrecision(3);
    told.textContent = `Scores are multiplied by ${factor} (d_k = ${d_k}, p = ${power.toFixed(2)}).`;
    numbers.replaceChildren(facts(figuresOf(found)));
  });

  const move = () => {
    show();
    moveVerticalLine(softmax, Number(slider.value));
  };
  slider.oninput = move;
  const places = placeButtons((power) => {
    slider.value = power;
    move();
  });
  const [now, plots] = [make("div", "pg-scaled"), make("div", "pg-two pg-halves")];
  now.append(canvas, numbers);
  plots.append(noted(softmax, SOFTMAX_NOTE), noted(variance, VARIANCE_NOTE));
  root.replaceChildren(problem, title, slider, places, told, now, plots);

  onFocus(root, async () => {
    const { key, layer, head } = focus;
    const found = await fetchLab(server.lab({ key, layer, head }));
    if (!found) return;
    problem.replaceChildren();
    d_k = found.d_k;
    title.replaceChildren(`Layer ${layer + 1}, head ${head + 1} of ${key.model} `, about(ABOUT));
    await draw(softmax, found.softmax.data, found.softmax.layout);
    await draw(variance, found.variance.data, found.variance.layout);
    move();
  });
}

function powerSlider() {
  const slider = make("input");
  Object.assign(slider, { type: "range", min: 0, max: 1.5, step: 0.05, value: 0.5, id: "scaling-power" });
  slider.setAttribute("aria-label", "power p: scores are divided by d_k to the power p");
  return slider;
}

function placeButtons(choose) {
  const places = make("div", "pg-places");
  places.append(...PLACES.map(([power, text]) => button(text, () => choose(power))));
  return places;
}

function noted(plot, note) {
  const part = make("div");
  part.append(plot, make("p", "pg-note", note));
  return part;
}

/** @returns {[string, string][]} */
const figuresOf = ({ spread, entropy, largest, gradient, loss, usual_loss }) => [
  ["spread of the scores (standard deviation)", spread.toFixed(2)],
  ["entropy of the softmax, bits", entropy.toFixed(2)],
  ["largest weight, mean", largest.toFixed(3)],
  ["gradient through the softmax", gradient.toFixed(3)],
  ["loss on this text if all heads did so, nats a token", `${loss.toFixed(2)} (now ${usual_loss.toFixed(2)})`],
];
