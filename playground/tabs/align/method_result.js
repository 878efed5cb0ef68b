// Methods compared: reward against KL in one picture, and a table of what each costs.

import { cssColor } from "../../../assets/colors.js";
import { about, make, table } from "../../../assets/dom.js";
import { LEGEND_ABOVE, MARGIN_BELOW_LEGEND, picture } from "../../../assets/pictures.js";
import { beyondText, COLUMNS, klEnd, rowsOf, tracesOf } from "./method_points.js";

const HEIGHT = 380; // pixels
const PICTURE =
  "Up is better, and to the right is farther from the parent, where more is lost of what it could do: who is above " +
  "another at the same KL has paid less. Bars are 95 % intervals. KL of best-of-n is log n - (n - 1) / n, the most " +
  "that it can be. A point of reward is a hundredth of the answers; it is told for the last step of each method, not " +
  "for the one at which it looks best.";

/** @param {{methods: import("./method_points.js").Looks, kl: string}} props */
export function methodsResult({ methods, kl }) {
  const root = make("section", "pg-method-result");
  const shown = picture("", "", HEIGHT);
  const around = Object.assign(make("div", "pg-table-around"), { tabIndex: 0 });
  around.setAttribute("role", "region");
  around.setAttribute("aria-label", "what each method costs");
  const heading = shown.root.querySelector("h3");
  root.append(shown.root, around);
  const show = async (news) => {
    root.hidden = !news.points.length;
    if (root.hidden) return;
    heading.replaceChildren("Reward against KL ", about(PICTURE));
    const rule = `The rule likes an answer that ${news.rule.title}. ${news.rule.about}`;
    shown.sentence.textContent = [rule, beyondText(news.points, methods)].join(" ").trim();
    const end = klEnd(news.points);
    await shown.draw(tracesOf(news.points, methods, cssColor("--body-text-color")), {
      ...{ uirevision: news.name, legend: LEGEND_ABOVE, margin: MARGIN_BELOW_LEGEND, hoverlabel: { align: "left" } },
      xaxis: { title: { text: kl }, rangemode: "tozero", range: end && [-0.02 * end, end] },
      yaxis: {
        title: { text: `share of held-out answers: ${news.rule.title}` },
        ...{ tickformat: ".0%", range: [0, 1.03], ticklabelstandoff: 10 },
      },
    });
    const prompts = news.points[0].prompts;
    around.replaceChildren(
      table(COLUMNS, rowsOf(news, methods)),
      make("p", "pg-note", `Means over ${prompts} held-out prompts, in brackets their 95 % intervals.`),
    );
  };
  return { root, show };
}
