// The curves of a run, drawn: the main one large, and of the others those that are chosen.

import { cssColor } from "../../../assets/colors.js";
import { button, make } from "../../../assets/dom.js";
import { draw as drawPlot } from "../../../assets/plots.js";
import { gridLayout, largeLayout, markTrace, namesOf, shapesOf, tracesOf, tracesOfOther } from "./figure.js";
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
 * @property {string[]} main the panel that is drawn large: the first of these that there is
 * @property {string[]} chosen of the other panels, those that are drawn
 */

// The panels, with the unit that the loss has in this stage.
function titledPanels(log, figure, stage) {
  const panels = panelsOf(log, figure, stage);
  const loss = panels.find(({ key }) => key === "loss");
  if (loss) loss.title = `loss (${figure.units[stage] ?? "nats per token"})`;
  return panels;
}

/** The main panel, and the others in their order. @param {any[]} panels @param {string[]} wanted */
export function split(panels, wanted) {
  const main = wanted.map((key) => panels.find((panel) => panel.key === key)).find(Boolean) ?? panels[0];
  return [main, panels.filter((panel) => panel !== main)];
}

// Buttons that show and hide the other panels.
function chooser(options, redraw, chosen) {
  const root = make("div", "pg-tools pg-more-tools");
  let shown = "";
  const draw = (panels) => {
    const now = JSON.stringify([panels.map(({ key }) => key), options.chosen]);
    if (now === shown) return;
    shown = now;
    const chips = panels.map(({ key, title }) => {
      const on = options.chosen.includes(key);
      const flip = () => {
        options.chosen = on ? options.chosen.filter((one) => one !== key) : [...options.chosen, key];
        chosen(options.chosen);
        redraw();
      };
      const chip = button(title, flip, "pg-button pg-small");
      chip.dataset.panel = key;
      chip.setAttribute("aria-pressed", String(on));
      return chip;
    });
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.panel;
    root.replaceChildren(...(chips.length ? [make("strong", "", "More curves"), ...chips] : []));
    if (focused) chips.find(({ dataset }) => dataset.panel === focused)?.focus();
  };
  return { root, draw };
}

/**
 * The curves in `plot` and `grid`: `begin` a run, `add` rows to it, `draw`. Zoom and hidden curves stay meanwhile.
 * @param {any} plot
 * @param {any} grid
 * @param {Options} options
 * @param {(chosen: string[]) => unknown} chosen
 */
export function runCurves(plot, grid, options, chosen) {
  let [name, figure, about, log] = ["", null, null, newLog()];
  let [held, missed, drawnWidth] = [false, false, 0];
  /** @type {{marks: import("./skills.js").Mark[], pointed: number | null}} where what was learned */
  let learned = { marks: [], pointed: null };

  const tracesIn = (panels, legend) => {
    const dark = document.body.classList.contains("dark");
    const own = tracesOf(log, panels, options.smoothing, dark, legend);
    const others = [...options.others].flatMap(([other, found]) =>
      tracesOfOther(other, found, panels, options.smoothing, legend),
    );
    return [...own, ...others];
  };
  const drawIn = async (node, panels, layout, legend) => {
    const [data, color] = [tracesIn(panels, legend), cssColor("--body-text-color")];
    const annotations = legend ? [] : namesOf(panels, color);
    const shapes = shapesOf(panels, linesOf(about, figure), data, color);
    if (legend && panels[0].key === "loss" && learned.marks.length) {
      const colors = { color, inside: cssColor("--body-background-fill") };
      data.push(markTrace(log, learned.marks, learned.pointed, colors));
    }
    node.style.height = `${layout.height}px`;
    await drawPlot(node, data, { ...layout, annotations, shapes });
  };

  async function draw() {
    if (!figure) return; // nothing has been looked at yet
    if (held) return void (missed = true);
    const [main, others] = split(titledPanels(log, figure, about?.stage), options.main);
    const shown = options.chosen.map((key) => others.find((panel) => panel.key === key)).filter(Boolean);
    more.draw(others);
    plot.hidden = !log.step.length && !options.others.size;
    grid.hidden = plot.hidden || !shown.length;
    drawnWidth = grid.clientWidth || plot.clientWidth;
    if (!plot.hidden) await drawIn(plot, [main], largeLayout(main, options, name), true);
    if (!grid.hidden) await drawIn(grid, shown, gridLayout(shown, grid.clientWidth, options, name), false);
  }

  // A plot that is redrawn while it is dragged loses the drag.
  for (const node of [plot, grid]) node.addEventListener("pointerdown", () => (held = true), true);
  addEventListener("pointerup", () => {
    held = false;
    if (missed) setTimeout(draw);
    missed = false;
  });
  const more = chooser(options, draw, chosen);
  const fit = () => grid.data && grid.clientWidth && grid.clientWidth !== drawnWidth && draw();
  new ResizeObserver(() => requestAnimationFrame(fit)).observe(grid); // drawing changes the height: not while observed

  return {
    more: more.root,
    log: () => log,
    mark: (marks, pointed) => {
      learned = { marks, pointed };
      return draw();
    },
    begin: (newName, newFigure) => ([name, figure, about, log] = [newName, newFigure, null, newLog()]),
    restart: (newAbout) => ([about, log] = [newAbout, newLog()]),
    add: (news) => extendLog(log, news),
    published: () => publishedFor(log, figure, about),
    panels: () => panelsOf(log, figure, about?.stage),
    draw,
  };
}
