// The dial's picture: how often a rule likes the answers, against how far the model is from its parent.

import { about, button, choice, make } from "../../../assets/dom.js";
import { LEGEND_ABOVE, MARGIN_BELOW_LEGEND, picture } from "../../../assets/pictures.js";
import { ask, poll } from "../../../assets/server.js";
import { curveName, klTicks, tracesOf } from "./dial_points.js";

const [AGAIN, HEIGHT, MOST] = [400, 300, 6]; // ms between two looks, pixels, and curves that are shown
const ABOUT =
  "Each point is one setting, with the amount a, or the strength, beside it: how many answers to held-out prompts " +
  "the rule likes, and how far the model is from its parent. Bars are 95 % intervals. The axis of KL is on the scale " +
  "of its square root. A curve stays until another model is chosen, so that layers can be compared.";

/**
 * @param {any} props
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {() => import("./dial_points.js").Setting} read where the dial stands
 */
export function dialPicture({ rules, usual, prompts, colors, kl }, server, read) {
  const [root, tools, said] = [make("section", "pg-dial-picture"), make("div", "pg-tools"), make("p", "pg-note")];
  const shown = picture("Score against KL ", "", HEIGHT);
  shown.root.querySelector("h3").append(about(ABOUT));
  shown.root.hidden = true;
  said.setAttribute("role", "status");
  const rule = choice("by the rule: it", rules, () => {});
  rule.select.value = usual;
  /** @type {import("./dial_points.js").Curve[]} */
  let curves = [];
  let [ruled, stop] = ["", () => {}];

  async function draw() {
    shown.root.hidden = !curves.length;
    root.dataset.points = String(curves.at(-1)?.points.length ?? 0);
    if (!curves.length) return;
    await shown.draw(tracesOf(curves, colors), {
      ...{ legend: LEGEND_ABOVE, margin: MARGIN_BELOW_LEGEND, hoverlabel: { align: "left" } },
      xaxis: { title: { text: `${kl}, square-root scale` }, rangemode: "tozero", ...klTicks(curves) },
      yaxis: {
        title: { text: `share of ${prompts} answers: it ${title()}` },
        ...{ tickformat: ".0%", range: [0, 1.08], ticklabelstandoff: 10 },
      },
    });
  }
  const title = () => rules.find(([name]) => name === ruled)?.[1];

  /** @param {string} of "dial" or "steering" */
  async function measure(of) {
    const setting = read();
    const begun = await ask(server.measure_dial({ ...setting, varied: of, rule: rule.select.value }));
    said.className = begun.error ? "pg-error" : "pg-note";
    said.textContent = begun.error ?? "";
    if (begun.error) return;
    if (ruled !== rule.select.value) curves = [];
    ruled = rule.select.value;
    const curve = { name: curveName(of, setting), of, points: [], prompts };
    curves = [...curves.filter(({ name }) => name !== curve.name), curve].slice(-MOST);
    stop();
    stop = poll(async (signal) => {
      const news = await ask(server.follow_measure({}));
      if (signal.aborted) return;
      Object.assign(curve, { points: news.points ?? [], prompts: news.prompts ?? prompts });
      end.hidden = !news.running;
      const far = `${curve.points.length} of ${news.total} points`;
      said.textContent = news.error || (news.running || news.state === "stopped" ? far : "");
      await draw();
      if (news.running) return AGAIN;
    });
  }
  const begin = (of, text) => button(text, () => measure(of));
  const end = button("Stop", () => ask(server.stop_measure({})));
  end.hidden = true;
  tools.append(begin("dial", "Measure the dial"), begin("steering", "Measure steering"), rule, end, said);
  root.append(tools, shown.root);
  const clear = () => {
    stop();
    curves = [];
    draw();
  };
  return { root, clear };
}
