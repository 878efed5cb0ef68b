// Goodhart at home: two ways to push against reward models, what these say and what the rule says, and what came of it.

import { cssColor } from "../../../assets/colors.js";
import { about, make } from "../../../assets/dom.js";
import { LEGEND_ABOVE, MARGIN_BELOW_LEGEND, picture } from "../../../assets/pictures.js";
import { tracesOf } from "./goodhart_points.js";

const HEIGHT = 330; // pixels
const WAYS = [
  ["best-of-n", "Best-of-n"],
  ["ppo", "PPO"],
];
const DISTANCE = "distance from the parent: √KL (√nats)";
const SCORE = "score (standard deviations)";
const PICTURE =
  "Solid lines are the rule's own score, dashed ones that of the reward model which is pushed against. Where the " +
  "dashed line climbs on and the solid one falls, the reward model is pleased by what the rule does not like: it is " +
  "a measure that has become a target. Both scores are 0 on the parent's answers on average, with a standard " +
  "deviation of 1. Bars are 95 % intervals, by prompts. Dotted: best-of-n by the rule itself, the most that a reward " +
  "model could do. Whether the rule turns is told below: its peak is chosen on each half of the prompts, and its " +
  "fall is measured on the other half.";

/** @param {{votes: import("./goodhart_points.js").Look[]}} props */
export function goodhartResult({ votes: looks }) {
  const root = make("section", "pg-method-result");
  const [heading, sentence, both] = [make("h3"), make("p", "pg-note"), make("div", "pg-columns")];
  heading.append("Score against distance ", about(PICTURE));
  const drawn = WAYS.map(([method, title]) => ({ method, ...picture(title, "", HEIGHT) }));
  both.append(...drawn.map((one) => one.root));
  const found = make("ul", "pg-goodhart-found");
  root.append(heading, sentence, both, found);
  const show = async (news) => {
    root.hidden = !news.points.length;
    if (root.hidden) return;
    const { title, about: how, unit } = news.rule;
    sentence.textContent =
      `Solid: the rule, which likes an answer that ${title}. ${how} One standard deviation of its score is ` +
      `${news.gold.std.toFixed(1)} ${unit}. Dashed: the reward model.`;
    found.replaceChildren(...news.found.map((text) => make("li", "", text)));
    for (const one of drawn) {
      const traces = tracesOf(news.points, one.method, news.votes, looks, cssColor("--body-text-color"));
      one.root.hidden = !traces.length;
      if (one.root.hidden) continue;
      await one.draw(traces, {
        ...{ uirevision: news.name, legend: LEGEND_ABOVE, margin: MARGIN_BELOW_LEGEND, hoverlabel: { align: "left" } },
        xaxis: { title: { text: DISTANCE }, rangemode: "tozero" },
        yaxis: { title: { text: SCORE }, ticklabelstandoff: 10 },
      });
    }
  };
  return { root, show };
}
