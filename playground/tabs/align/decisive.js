// Most decisive votes: which votes made the model say this, and what it says when it is trained without them.

import { about, button, checkbox, headCell, make } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";
import { busy } from "../../../assets/press.js";
import { ask, follow, latest, pollSeen } from "../../../assets/server.js";
import { proofCards, proofText, signed } from "./decisive_words.js";
import { promptBox } from "./prompt_box.js";

const EVERY = 700; // ms while something goes on
const ABOUT =
  "An estimate for each vote: by how many nats a step of 1 down its loss would change the log-probability of this " +
  "answer, to first order, summed over the model before any vote and the kept one (Pruthi et al. 2020). Its order " +
  "and its sign are what counts. The proof is no estimate: DPO runs again with the same seed and the same batches, " +
  "in which some votes weigh nothing. The answers here are the likeliest, token by token, without chance.";

// The votes, the most decisive first; of those that are ticked, `numbers`.
function voteList(changed) {
  const [root, title, around] = [make("section"), make("h3"), make("div", "pg-scroll")];
  Object.assign(around, { tabIndex: 0 });
  around.setAttribute("role", "region");
  around.setAttribute("aria-label", "votes");
  root.append(title, around);
  /** @type {Set<number>} */
  const numbers = new Set();

  function row(one, most) {
    const tick = checkbox("", false, (on) => {
      on ? numbers.add(one.number) : numbers.delete(one.number);
      changed();
    });
    tick.box.setAttribute("aria-label", `Vote ${one.number}`);
    const bar = make("span", "pg-decisive-bar");
    bar.style.setProperty("--weight", String(most ? Math.abs(one.score) / most : 0));
    bar.toggleAttribute("data-against", one.score < 0);
    const cells = [make("td"), make("td", "", one.number), make("td", "", signed(one.score))];
    cells[0].append(tick);
    cells[2].append(bar);
    const line = make("tr");
    line.append(...cells, ...[one.prompt, one.chosen, one.rejected].map((text) => make("td", "", text)));
    return line;
  }
  function draw({ influences }) {
    numbers.clear();
    changed();
    const most = Math.max(...influences.map(({ score }) => Math.abs(score)));
    const [node, head] = [make("table", "pg-table"), make("tr")];
    head.append(...["Leave out", "Vote", "Estimate", "Prompt", "Preferred", "Rejected"].map((text) => headCell(text)));
    node.append(head, ...influences.map((one) => row(one, most)));
    title.textContent = `${influences.length} votes, by how much each made the model say this (an estimate)`;
    around.replaceChildren(node);
  }
  return { root, draw, numbers: () => [...numbers] };
}

function proofCard({ title, votes, answer, changed }) {
  const [node, head] = [make("div", "pg-answer"), make("p", "pg-answer-head")];
  head.append(make("span", "", title), make("span", "pg-note", votes));
  const said = make("p", `pg-answer-text${answer ? "" : " pg-note"}`, answer || "(nothing)");
  node.append(head, said, make("p", "pg-note", changed));
  return node;
}

// All that is known of a model: its answer, the votes, the proof.
function foundParts(props, press) {
  const root = make("div");
  const [said, answer] = [make("p", "pg-note"), make("p", "pg-answer pg-answer-text")];
  const [tools, proof, summary] = [make("p", "pg-tools"), make("div", "pg-decisive-proof"), make("p")];
  const list = voteList(() => (train.disabled = !list.numbers().length));
  const prove = button("Prove it", () => press(prove, "prove_decisive"));
  const train = button("Train the model that never saw the ticked votes", () =>
    press(train, "train_without", { numbers: list.numbers() }),
  );
  prove.title = `Train again without the ${props.decisive} most decisive votes, and without as many others at random`;
  train.disabled = true;
  summary.setAttribute("role", "status");
  tools.append(prove, train);
  root.append(said, answer, list.root, tools, proof, summary);
  let drawn = "";

  function draw(found, running) {
    root.hidden = !found;
    prove.disabled = running;
    if (!found) return;
    const asked = JSON.stringify([found.prompt, found.influences]);
    if (asked !== drawn) list.draw(found);
    drawn = asked;
    said.textContent = `Asked “${found.prompt}”, it says`;
    answer.textContent = found.text;
    proof.replaceChildren(...proofCards(found).map(proofCard));
    summary.textContent = proofText(found);
    root.dataset.measured = String(found.measured.length);
  }
  const clear = () => (drawn = "");
  return { root, tools, draw, clear };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-decisive");
  const [trouble, body, failure] = [make("p", "pg-note"), make("div"), make("p", "pg-error")];
  const [line, state] = [make("p", "pg-tools"), make("span", "pg-note")];
  const last = latest();
  let [model, opened, stopLooking] = ["", "", () => {}];

  // What is said stands beside the button that was pressed.
  function sayIn(place) {
    if (state.parentElement !== place) place.append(state, stop);
  }
  async function press(pressed, name, more = {}) {
    const answer = await busy(pressed, "Starting …", ask(server[name]({ model: opened, ...more })));
    failure.textContent = answer.error ?? "";
    if (answer.error) return;
    if (!answer.made) return look();
    sayIn(found.tools);
    state.textContent = `${answer.made} is being trained, or waits in the queue: see Learn.`;
  }
  const found = foundParts(props, press);
  const prompt = promptBox(() => {});
  const estimate = button("Ask the votes", () => press(estimate, "estimate_decisive", { prompt: prompt.read() }));
  const stop = button("Stop", () => busy(stop, "Stopping …", ask(server.stop_decisive({}))));
  state.setAttribute("role", "status");
  stop.hidden = true;
  line.append(estimate);
  sayIn(line);
  body.append(prompt.root, line, failure, found.root);

  function look() {
    stopLooking();
    const mine = opened;
    stopLooking = pollSeen(root, async (signal) => {
      const news = await ask(server.follow_decisive({ model: mine }));
      if (signal.aborted) return;
      if (news.running === undefined) return void (failure.textContent = news.error);
      sayIn(news.what === "proof" ? found.tools : line);
      state.textContent = news.message;
      failure.textContent = news.error;
      stop.hidden = !(news.running && news.what === "proof");
      estimate.disabled = news.running;
      found.draw(news.found, news.running);
      root.dataset.running = String(news.running);
      if (news.running) return EVERY;
    });
  }
  async function open() {
    if (!model || opened === model) return;
    const wanted = model;
    stopLooking();
    opened = "";
    body.hidden = true;
    trouble.textContent = "Reading the votes …";
    const answer = await last(server.open_decisive({ model: wanted }));
    if (!answer) return;
    trouble.textContent = answer.error ?? "";
    if (answer.error) return;
    opened = wanted;
    body.hidden = false;
    prompt.offer(answer.prompts);
    found.clear();
    look();
  }
  const part = fold("Most decisive votes: which ones made it say this", open);
  const lead = make("p", "pg-note", `For a model that DPO has made of ${props.range.join(" to ")} votes. `);
  lead.append(about(ABOUT));
  body.hidden = true;
  part.body.append(lead, trouble, body);
  root.replaceChildren(part.root);
  follow(props, watch, ({ model: name }) => {
    model = name ?? "";
    if (part.isOpen()) open();
  });
}
