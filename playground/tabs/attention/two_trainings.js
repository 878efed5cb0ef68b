// Two trainings of the same model, with and without the square root of d_k, while they run.

import { about, button, isVisible, make } from "../../../assets/dom.js";
import { draw, plotly } from "../../../assets/plots.js";
import { ask, poll } from "../../../assets/server.js";

const ABOUT =
  "Two trainings of the same small model from the same seed, with and without √d_k. What you see is what " +
  "happened, not what theory promises.";
const NOTE =
  "The wider the head and the higher the rate, the more it matters. Narrow heads begin with scores near 0 and " +
  "often learn about as well without the division; in one head of 256 the scores soon outgrow what the softmax can " +
  "take back.";
const COST =
  "Two runs of 300 steps, one after the other: with heads of 32 about half a minute each on a laptop; with one head " +
  "of 256 the model is wider, and they take longer.";
const EVERY = 1000; // ms between two looks at what is new

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-experiment");
  const [plot, state] = [make("div", "pg-plot"), make("p", "pg-state")];
  state.setAttribute("role", "status");
  const start = button("Train with and without √d_k", () => begin("narrow"), "pg-button pg-primary");
  start.id = "experiment-start";
  const wide = button("The same with one head of 256", () => begin("wide"));
  const tools = make("div", "pg-tools");
  tools.append(start, wide);
  const title = make("h3", "", "Does it matter for learning? ");
  title.append(about(ABOUT));
  root.replaceChildren(title, tools, state, plot, make("p", "pg-note", NOTE));
  let stop = () => {};

  const begin = async (wanted) => {
    start.disabled = wide.disabled = true;
    const { runs, figure, error } = await ask(server.experiment({ start: wanted }));
    start.disabled = wide.disabled = false;
    if (error) return state.replaceChildren(make("span", "pg-error", error));
    if (!runs.length) return (state.textContent = COST);
    stop();
    await draw(plot, figure.data, figure.layout);
    stop = watchRuns(runs);
  };

  const watchRuns = (names) => {
    const runs = names.map((name) => ({ name, cursor: null, loss: null }));
    return poll(async (signal) => {
      if (!root.isConnected) return;
      if (!isVisible(root)) return EVERY;
      let active = false;
      const texts = [];
      for (const [i, run] of runs.entries()) {
        const news = await ask(server.follow({ name: run.name, cursor: run.cursor }));
        if (signal.aborted) return;
        if (news.error) return state.replaceChildren(make("span", "pg-error", news.error));
        await extend(plot, i, news);
        run.cursor = news.cursor;
        run.loss = recentLoss(news.columns["loss/train"] ?? []) ?? run.loss;
        active ||= news.status.active;
        texts.push(describeRun(run.name, news.status, run.loss));
      }
      state.textContent = texts.join(" · ");
      root.dataset.active = active;
      root.dataset.points = plot.data.map((trace) => trace.x.length).join(",");
      if (active) return EVERY;
    });
  };

  new IntersectionObserver((_, observer) => {
    if (!isVisible(root)) return;
    observer.disconnect();
    begin(""); // whoever comes back finds the latest two
  }).observe(root);
}

async function extend(plot, i, { columns: { step, "loss/train": loss = [] }, restart }) {
  const { restyle, extendTraces } = await plotly();
  if (restart) await restyle(plot, { x: [step], y: [loss] }, [i]);
  else if (step.length) await extendTraces(plot, { x: [step], y: [loss] }, [i]);
}

/** The mean of the last 20 losses, null without any. @param {number[]} losses */
export function recentLoss(losses) {
  const recent = losses.slice(-20);
  return recent.length ? recent.reduce((sum, value) => sum + value, 0) / recent.length : null;
}

/**
 * A run in words.
 * @param {string} name
 * @param {{state: string, step: number, max_steps: number, message: string}} status
 * @param {number | null} loss
 */
export function describeRun(name, { state, step, max_steps, message }, loss) {
  const waits = ["created", "queued"].includes(state); // and says for what
  const what = waits ? message : `${state}, step ${step} of ${max_steps}`;
  return `${name}: ${what}${loss === null ? "" : `, loss ${loss.toFixed(3)}`}`;
}
