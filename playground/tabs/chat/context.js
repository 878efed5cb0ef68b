// How the models read the conversation: as turns or as one scene, and how much of it.

import { button, isVisible, make, number } from "../../../assets/dom.js";
import { debounce, latest } from "../../../assets/server.js";

/**
 * What Python knows of a model's reading. `forgotten`: so many turns it does not read any more.
 * @typedef {object} Reading
 * @property {string} model
 * @property {boolean} [answers] in turns
 * @property {string} [offer] a model that does, if this one does not
 * @property {number} [weights]
 * @property {boolean} [plays] has it learned from them
 * @property {string[]} [starters] lines to begin with
 * @property {{said: number, read: number, size: number, forgotten: number} | null} [context]
 * @property {string} [error]
 */

const REST = 120; // ms without a change until it is measured

/**
 * @param {Reading} reading
 * @param {string} [replaced] the model in whose place this one has been taken
 */
export function aboutText({ model, answers, error }, replaced = "") {
  if (error) return error;
  const now = replaced ? ` It is the model of every tab now, as ${replaced} answers nobody.` : "";
  if (answers) return `${model} was taught to answer in turns.${now}`;
  return `${model} is a base model: it continues your text and answers nobody. `;
}

// In one line what a model is; a base model offers one that answers.
function aboutParts(reading, replaced, useModel) {
  const { offer } = reading;
  const use = () => useModel(offer);
  return [aboutText(reading, replaced), ...(offer ? [button(`Talk with ${offer}`, use, "pg-button pg-small")] : [])];
}

/** @param {Reading} reading */
export function contextText({ model, context: { said, read, size, forgotten } }) {
  if (read === said) return `${model} reads ${number(said)} of at most ${number(size)} tokens.`;
  const turns = forgotten === 1 ? "the first turn" : `the first ${forgotten} turns`;
  const lost = forgotten ? `; ${turns} not at all` : "";
  return `${model} reads the last ${number(read)} of ${number(said)} tokens${lost}.`;
}

/** So many turns no model reads any more. @param {Reading[]} readings */
export const forgottenByAll = (readings) =>
  readings.length ? Math.min(...readings.map(({ context }) => context?.forgotten ?? 0)) : 0;

function bar(reading) {
  const [line, node] = [make("p", "pg-note"), make("progress", "pg-progress")];
  const { read, size } = reading.context;
  Object.assign(node, { max: size, value: read });
  node.setAttribute("aria-label", `context of ${reading.model}`);
  line.append(node, ` ${contextText(reading)}`);
  return line;
}

/**
 * Measured whenever the conversation has changed, if `root` is in sight, or else once it is.
 * @param {HTMLElement} root
 * @param {import("./conversation.js").Conversation} conversation
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {() => void} onmeasured
 * @param {(model: string) => void} useModel in the header
 */
export function makeContext(root, conversation, server, onmeasured, useModel) {
  const [about, bars] = [make("p", "pg-note"), make("div", "pg-context")];
  const last = latest();
  /** @type {Reading[]} */
  let readings = [];
  let replaced = "";

  // Who has not chosen a model yet, which the address would say, talks with one that answers.
  function takeOneThatAnswers() {
    const isChosen = new URLSearchParams(location.search).has("model");
    if (isChosen || conversation.tree.path().length || readings.length !== 1 || !readings[0].offer) return;
    replaced = readings[0].model;
    useModel(readings[0].offer);
  }

  const measure = debounce(async () => {
    if (!conversation.model() || !isVisible(root)) return;
    const asked = { wish: conversation.settings(), models: conversation.models() };
    const request = { ...asked, messages: conversation.upcoming(false) };
    const answer = await last(server.about_conversation(request));
    if (!answer) return;
    readings = answer.models ?? [];
    if (conversation.tree.path().length) replaced = ""; // it has been read
    const parts = readings.flatMap((one) => aboutParts(one, replaced, useModel));
    about.replaceChildren(...(answer.error ? [answer.error] : parts));
    takeOneThatAnswers();
    bars.replaceChildren(...readings.filter(({ context }) => context).map(bar));
    onmeasured();
  }, REST);
  conversation.onChange(measure);
  new IntersectionObserver(measure).observe(root);

  return {
    about,
    bars,
    readings: () => readings,
    forgotten: () => forgottenByAll(readings),
    isAnswered: () => readings.some(({ answers }) => answers),
  };
}
