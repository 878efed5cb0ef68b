// The curves of a run, drawn. What its log holds decides which panels there are.

import { cssColor } from "../../../assets/colors.js";
import { draw as drawPlot } from "../../../assets/plots.js";
import { layoutOf, namesOf, shapesOf, tracesOf, tracesOfOther } from "./figure.js";
import { extendLog, newLog } from "./log.js";
import { linesOf, panelsOf, publishedFor } from "./panels.js";

/**
 * How the curves are looked at, as the tools set it; `others` are runs that are laid over the one that is drawn.
 * @typedef {object} Options
 * @property {number} smoothing
 * @property {boolean} logX
 * @property {boolean} logY
 * @property {Map<string, {log: import("./log.js").Log, color: string}>} others
 * @property {string[]} colors for the others
 */

// The panels, with the unit that the loss has in this stage.
function titledPanels(log, figure, stage) {
  const panels = panelsOf(log, figure, stage);
  if (panels[0].key === "loss") panels[0].title = `loss (${figure.units[stage] ?? "nats per token"})`;
  return panels;
}

/**
 * The curves in `plot`: `begin` a run, `add` rows to it, `draw`. Zoom and hidden curves stay as they are meanwhile.
 * @param {any} plot
 * @param {Options} options
 */
export function runCurves(plot, options) {
  let [name, figure, about, log] = ["", null, null, newLog()];
  let [held, missed, drawnWidth] = [false, false, 0];

  async function draw() {
    if (!figure) return; // nothing has been looked at yet
    if (held) return void (missed = true);
    const panels = titledPanels(log, figure, about?.stage);
    const dark = document.body.classList.contains("dark");
    const others = [...options.others].flatMap(([other, found]) =>
      tracesOfOther(other, found, panels, options.smoothing),
    );
    const data = [...tracesOf(log, panels, options.smoothing, dark), ...others];
    drawnWidth = plot.clientWidth;
    const layout = layoutOf(panels, drawnWidth, options, name);
    const color = cssColor("--body-text-color");
    const annotations = namesOf(panels, color);
    const shapes = shapesOf(panels, linesOf(about, figure), data, color);
    plot.style.height = `${layout.height}px`;
    await drawPlot(plot, data, { ...layout, annotations, shapes });
  }

  // A plot that is redrawn while it is dragged loses the drag.
  plot.addEventListener("pointerdown", () => (held = true), true);
  addEventListener("pointerup", () => {
    held = false;
    if (missed) setTimeout(draw);
    missed = false;
  });
  const fit = () => plot.data && plot.clientWidth && plot.clientWidth !== drawnWidth && draw();
  new ResizeObserver(() => requestAnimationFrame(fit)).observe(plot); // drawing changes the height: not while observed

  return {
    log: () => log,
    begin: (newName, newFigure) => ([name, figure, about, log] = [newName, newFigure, null, newLog()]),
    restart: (newAbout) => ([about, log] = [newAbout, newLog()]),
    add: (news) => extendLog(log, news),
    published: () => publishedFor(log, figure, about),
    panels: () => panelsOf(log, figure, about?.stage),
    draw,
  };
}
