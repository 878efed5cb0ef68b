// Below what is said of a deletion: the models that learned from deleted votes, each of which can be trained without.

import { button, choice, make, number } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { ask, latest } from "../../../assets/server.js";
import { lookAt } from "../../panels/live_run/looked_at.js";
import { goTo, waitFor } from "../../tour/places.js";

const TAB = "align"; // where such a training is seen
const AGAIN =
  "The same training, with the same parent, settings and seed, in which these votes weigh nothing: a model of its own";

/** See playground/services/vote_learners.py. @typedef {{name: string, votes: number, trouble: string}} Learner */

/** @param {Learner[]} learners those that can be trained again */
export function learnedText(learners) {
  if (learners.length > 1) return `${number(learners.length)} models learned from deleted votes.`;
  const [{ name, votes }] = learners;
  return `${name} learned from ${votes === 1 ? "the deleted vote" : `${number(votes)} deleted votes`}.`;
}

/** @param {Learner} learner */
export const againText = ({ votes }) => `Train it again without ${votes === 1 ? "it" : "them"}`;

/** @param {Learner[]} learners those that cannot */
export function troubleText(learners) {
  const why = learners.map(({ trouble }) => trouble).join("; ");
  return learners.length === 1
    ? `A model that learned from deleted votes stays as it is: ${why}.`
    : `${number(learners.length)} models that learned from deleted votes stay as they are: ${why}.`;
}

// A line with the models that can be trained again, and the button that does it.
function offerLine(learners, train) {
  const line = make("p", "pg-tools", learnedText(learners));
  const press = button("", () => train(press, chosen.name));
  let chosen = learners[0];
  const choose = (name) => {
    chosen = learners.find((one) => one.name === name);
    press.textContent = againText(chosen);
  };
  const options = learners.map(({ name, votes }) => [name, `${name} (${number(votes)})`]);
  if (learners.length > 1) line.append(choice("Model", options, choose));
  choose(chosen.name);
  press.title = AGAIN;
  line.append(press);
  return line;
}

/** @param {import("../../../assets/server.js").View["server"]} server */
export function trainAgain(server) {
  const [root, said, last] = [make("div", "pg-train-again"), make("p", "pg-tools"), latest()];
  root.setAttribute("role", "status");
  /** @type {number[]} */
  let votes = []; // deleted since the page was opened, or since others came in
  /** @type {string[]} */
  let trained = []; // without them

  async function train(pressed, model) {
    const { made, error } = await busy(pressed, "Starting …", ask(server.train_again({ model, votes })));
    said.replaceChildren(error ? make("span", "pg-error", error) : `${made} is being trained, or waits in the queue.`);
    if (error) return;
    said.append(button("See it", () => see(made)));
    trained.push(model);
    update();
  }
  async function update() {
    const answer = votes.length ? await last(server.find_learners({ votes })) : { learners: [] };
    if (!answer) return;
    /** @type {Learner[]} */
    const learners = (answer.learners ?? []).filter(({ name }) => !trained.includes(name));
    const [able, unable] = [learners.filter((one) => !one.trouble), learners.filter((one) => one.trouble)];
    root.replaceChildren(said);
    if (able.length) root.append(offerLine(able, train));
    if (unable.length) root.append(make("p", "pg-note", troubleText(unable)));
  }
  function begin(ids) {
    [votes, trained] = [ids, []];
    said.replaceChildren();
    return update();
  }
  // What was deleted, and that others came in, perhaps the same again.
  return { root, add: (/** @type {number[]} */ ids) => begin([...votes, ...ids]), forget: () => begin([]) };
}

async function see(run) {
  await goTo(TAB, "Learn");
  await waitFor(() => document.querySelector(`#${TAB}-view .pg-run`));
  lookAt(TAB, run);
}
