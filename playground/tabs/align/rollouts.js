// Answers of the moment, as PPO writes them: each token in the colour of what it cost or brought.

import { colorTable } from "../../../assets/colors.js";
import { button, make } from "../../../assets/dom.js";
import { coloredTokens, colorOn, reachOf, scaleLegend, signed, sum } from "./colored_tokens.js";

const MEASURES = [
  {
    key: "kl",
    name: "KL",
    unit: "nats",
    about:
      "Orange: the model finds the token likelier than its parent did; blue: less likely. The sum over an answer is " +
      "what it pays for.",
  },
  {
    key: "advantages",
    name: "advantage",
    unit: "standard deviations",
    about:
      "Orange: from this token on it went better than the value head expected, so it becomes likelier; blue: worse, " +
      "so less likely.",
  },
];

/**
 * How far the scale of a measure goes to both sides. It is that of all steps, so that colours can be compared while one
 * looks back.
 * @param {{rollouts: any[]}[]} lines
 * @param {string} key of the measure
 */
export const scaleOf = (lines, key) => reachOf(lines.flatMap(({ rollouts }) => rollouts.flatMap((one) => one[key])));

// An answer; `color(value)` is a packed pixel.
function rolloutCard(rollout, measure, color) {
  const { prompt, tokens, score, kl, advantages, ended } = rollout;
  const card = make("article", "pg-rollout");
  const chips = coloredTokens(`Answer to ${prompt}`, tokens, rollout[measure.key], color, (at) => [
    ["KL", `${signed(kl[at], 2)} nats`],
    ["advantage", signed(advantages[at], 2)],
  ]);
  const facts = make("p", "pg-rollout-facts");
  const end = ended ? "ended by itself" : "cut off: it did not end in time";
  facts.append(
    make("strong", "", `score ${signed(score, 2)}`),
    ` · KL ${signed(sum(kl), 1)} nats · ${tokens.length} tokens · ${end}`,
  );
  card.append(make("p", "pg-pair-prompt", prompt), chips, facts);
  return card;
}

/**
 * @param {any} figure see playground/tabs/align/pictures.py
 * @returns {import("./details.js").Picture}
 */
export function rollouts(figure) {
  const root = make("section", "pg-rollouts");
  const colors = colorTable(figure.diverging);
  const [tools, about, scale, cards] = [
    make("p", "pg-tools"),
    make("p", "pg-note"),
    make("div"),
    make("div", "pg-columns"),
  ];
  let [measure, last] = [MEASURES[0], null];
  const buttons = MEASURES.map((one) => button(one.name, () => ((measure = one), draw(...last))));
  tools.append(make("span", "pg-note", "colour each token by"), ...buttons);
  root.append(make("h3", "", "What it writes, and what that is worth"), tools, about, scale, cards);

  function draw(lines, index) {
    last = [lines, index];
    const far = scaleOf(lines, measure.key);
    const color = colorOn(colors, far);
    buttons.forEach((each, i) => each.setAttribute("aria-pressed", String(MEASURES[i] === measure)));
    about.textContent = measure.about;
    scale.replaceChildren(scaleLegend(figure.diverging, measure.unit, far));
    cards.replaceChildren(...lines[index].rollouts.map((one) => rolloutCard(one, measure, color)));
  }
  return { root, draw };
}
