// What is tried before a training: the learning-rate range test, and the proof that micro-batches change nothing.

import { about, button, make, table } from "../../../assets/dom.js";
import { draw } from "../../../assets/plots.js";
import { ask, pollSeen } from "../../../assets/server.js";
import { useSettings } from "../../panels/stage_form/settings.js";

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
function proofText(layers) {
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
  frame.append(make("p", "", verdict), make("p", "pg-note", why));
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

const TITLES = { range: "Learning-rate finder", proof: "Batch proof" };
const ABOUT = {
  range:
    "A copy of the model is trained at a rate that grows with each step. Good rates lie where the loss falls, before " +
    "it explodes.",
  proof: "The gradients of one batch of 64 and of 8 micro-batches of 8, added up, are compared layer by layer.",
};

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-lab");
  const [head, title, state] = [make("div", "pg-tools"), make("h3"), make("span", "pg-note")];
  const [plot, chosen, proof] = [make("div", "pg-plot"), make("p"), make("div")];
  let [end, drawn] = [() => {}, ""];
  state.setAttribute("role", "status");
  const stop = button("Stop", () => ask(server.stop_experiment({})), "pg-button pg-small");
  const close = button(
    "Close",
    async () => {
      await ask(server.close_experiment({}));
      begin();
    },
    "pg-button pg-small",
  );

  const showTrials = async ({ trials, suggestion, running, kind, stage }) => {
    plot.hidden = chosen.hidden = kind !== "range" || !trials.length;
    if (plot.hidden) return;
    await drawTrials(plot, props.figure, { trials, suggestion });
    const rate = Number(suggestion?.toPrecision(2));
    const use = () => useSettings(stage, { learning_rate: rate });
    if (suggestion) chosen.replaceChildren(`Suggested: ${rate} `, button("Use this rate", use));
    else chosen.textContent = running ? "" : NO_SUGGESTION;
  };
  const show = async (news) => {
    const { kind, error, message = "", running, layers } = news;
    const now = JSON.stringify(news);
    if (now === drawn) return;
    drawn = now;
    root.hidden = !kind && !error;
    title.replaceChildren(TITLES[kind] ?? "", " ", about(ABOUT[kind] ?? ""));
    state.className = error ? "pg-error" : "pg-note";
    state.textContent = error || message;
    stop.hidden = !running;
    close.hidden = running;
    proof.replaceChildren(...(kind === "proof" && layers?.length ? [proofNodes(news)] : []));
    await showTrials({ trials: [], ...news });
    root.dataset.running = running;
  };

  const begin = () => {
    end();
    end = pollSeen(element, async (signal) => {
      const news = await ask(server.follow_experiment({}));
      if (signal.aborted) return;
      await show(news);
      return news.running ? EVERY : undefined;
    });
  };
  head.append(title, state, stop, close);
  root.replaceChildren(head, plot, chosen, proof);
  root.hidden = true;
  document.addEventListener("pg-experiment", () => {
    begin();
    root.hidden = false;
    root.scrollIntoView({ block: "nearest" });
  });
  begin();
}
