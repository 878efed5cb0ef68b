// What is tried before a training: the learning-rate range test, and the proof that micro-batches change nothing.

import { button, make, table } from "../../../assets/dom.js";
import { draw } from "../../../assets/plots.js";
import { ask, pollWhenSeen } from "../../../assets/server.js";

const EVERY = 700; // ms while one is going on
const SAME = 1e-3; // relative difference below which two gradients are the same but for rounding

// --- the batch proof -----------------------------------------------------------------------------------------------

const percent = (share) => (share < SAME ? share.toExponential(1) : `${(100 * share).toFixed(1)} %`);

const MISTAKEN =
  "To average the means of the micro-batches gives every micro-batch the same weight, however few of its tokens " +
  "count: that is another gradient.";
const NOT_HERE =
  "Here every sequence has equally many tokens that count, so even averaging means would do. Prove it for " +
  "Instructions, where it would not.";

/**
 * What the proof has shown, in words.
 * @param {{difference: number, mistake: number}[]} layers
 * @returns {{verdict: string, why: string}}
 */
export function proofText(layers) {
  const most = Math.max(...layers.map((layer) => layer.difference));
  const end = most < SAME ? ": the two are the same gradient, summed in another order." : ".";
  const mistaken = Math.max(...layers.map((layer) => layer.mistake)) > SAME;
  return {
    verdict: `The largest relative difference is ${most.toExponential(1)}${end}`,
    why: mistaken ? MISTAKEN : NOT_HERE,
  };
}

function proofNodes({ layers, sizes: [whole, part] }) {
  const frame = make("div");
  const { verdict, why } = proofText(layers);
  const against = `1 × ${whole} against ${whole / part} × ${part}`;
  const titles = ["layer", "length of the gradient", against, "if means were averaged (the common mistake)"];
  const rows = layers.map(({ name, norm, difference, mistake }) => [
    name,
    norm.toPrecision(3),
    percent(difference),
    percent(mistake),
  ]);
  frame.append(make("h3", "", "The batch proof"), make("p", "", verdict), make("p", "pg-note", why));
  frame.append(table(titles, rows));
  return frame;
}

// --- the range test ------------------------------------------------------------------------------------------------

const NO_SUGGESTION = "The curve has no clear fall followed by a rise, so it suggests nothing. Try a larger batch.";

async function drawTrials(plot, figure, { trials, suggestion }) {
  const shapes = suggestion ? [{ ...figure.line, x0: suggestion, x1: suggestion }] : [];
  const [x, raw, smoothed] = ["lr", "loss", "smoothed"].map((name) => trials.map((trial) => trial[name]));
  const data = [
    { ...figure.data[0], x, y: raw },
    { ...figure.data[1], x, y: smoothed },
  ];
  await draw(plot, data, { ...figure.layout, shapes });
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server, trigger }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-lab");
  const [state, plot, chosen, proof] = [make("p", "pg-note"), make("div", "pg-plot"), make("p"), make("div")];
  state.setAttribute("role", "status");

  const showTrials = async (figure, news) => {
    const { trials, suggestion, running, kind } = news;
    if (!trials?.length || !figure) return;
    await drawTrials(plot, figure, news);
    const use = () => button("Use this rate", () => trigger("changed"));
    if (suggestion) chosen.replaceChildren(`Suggested: ${suggestion.toPrecision(2)} `, use());
    else chosen.textContent = running || kind !== "range" ? "" : NO_SUGGESTION;
  };

  pollWhenSeen(root, props, watch, ({ figure }) => {
    if (!state.isConnected) root.replaceChildren(state, plot, chosen, proof);
    return async (signal) => {
      const news = await ask(server.follow_experiment({}));
      if (signal.aborted) return;
      state.className = news.error ? "pg-error" : "pg-note";
      state.textContent = news.error || (news.message ?? "");
      await showTrials(figure, news);
      proof.replaceChildren(...(news.layers?.length ? [proofNodes(news)] : []));
      root.dataset.running = news.running;
      if (news.running) return EVERY;
    };
  });
}
