// How long the answers to held-out prompts are, from the parent's on: what is liked may be length alone.

import { picture } from "../../../assets/pictures.js";

const HEIGHT = 130; // pixels

/** @param {string} color */
export function lengthPicture(color) {
  const shown = picture("Length of held-out answers", "", HEIGHT);
  /** @param {import("../../panels/live_run/samples.js").Answers[]} answers */
  const draw = (answers) => {
    shown.root.hidden = !answers.length;
    if (!answers.length) return;
    const line = {
      ...{ type: "scatter", mode: "lines+markers", name: "words", line: { color, width: 2 } },
      x: answers.map(({ step }) => step),
      y: answers.map(({ words }) => words),
      hovertemplate: "step %{x:,}<br>%{y:.1f} words<extra></extra>",
    };
    return shown.draw([line], {
      margin: { l: 62, r: 14, t: 8, b: 34 },
      xaxis: { title: { text: "optimiser step", standoff: 4 }, rangemode: "tozero", integer: true },
      yaxis: { title: { text: "words" }, rangemode: "tozero", nticks: 4 },
    });
  };
  return { root: shown.root, draw };
}
