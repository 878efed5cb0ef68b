// Answers of the moment, as PPO writes them: each token in the colour of what it cost or brought.

import { colorTable, cssOf, readableOn } from "../../../assets/colors.js";
import { button, make, visibleSpaces } from "../../../assets/dom.js";
import { chip, fill, passage, visible } from "../../../assets/tokens.js";

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
const EXTREME = 0.02; // this share of the tokens may be off the scale

const signed = (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
const sum = (values) => values.reduce((total, value) => total + value, 0);

/**
 * How far the scale of a measure goes to both sides. It is that of all steps, so that colours can be compared while one
 * looks back.
 * @param {{rollouts: any[]}[]} lines
 * @param {string} key of the measure
 */
export function scaleOf(lines, key) {
  const all = lines.flatMap(({ rollouts }) => rollouts.flatMap((one) => one[key].map(Math.abs))).sort((a, b) => a - b);
  return Math.max(0.1, all[Math.floor((1 - EXTREME) * (all.length - 1))]);
}

function legend(colors, measure, far) {
  const node = make("p", "pg-scale");
  const bar = make("span", "pg-scale-bar");
  bar.style.background = `linear-gradient(to right, ${colors.join(", ")})`;
  node.append(make("span", "", signed(-far, 1)), bar, make("span", "", `${signed(far, 1)} ${measure.unit}`));
  return node;
}

// An answer; `color(value)` is a packed pixel.
function rolloutCard(rollout, measure, color) {
  const { prompt, tokens, score, kl, advantages, ended } = rollout;
  const card = make("article", "pg-rollout");
  const chips = passage(
    `Answer to ${prompt}`,
    (at) => [
      ["token", visibleSpaces(visible(tokens[at]).text)],
      ["KL", `${signed(kl[at], 2)} nats`],
      ["advantage", signed(advantages[at], 2)],
    ],
    () => {},
  );
  const nodes = tokens.map((hex, at) => {
    const node = chip(hex, 0, true);
    const pixel = color(rollout[measure.key][at]);
    node.style.background = cssOf(pixel);
    node.style.color = readableOn(pixel);
    return node;
  });
  fill(chips, nodes, tokens);
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
    const color = (value) => colors[Math.round(255 * Math.min(1, Math.max(0, 0.5 + value / (2 * far))))];
    buttons.forEach((each, i) => each.setAttribute("aria-pressed", String(MEASURES[i] === measure)));
    about.textContent = measure.about;
    scale.replaceChildren(legend(figure.diverging, measure, far));
    cards.replaceChildren(...lines[index].rollouts.map((one) => rolloutCard(one, measure, color)));
  }
  return { root, draw };
}
