// Answers, and how they come in while they are written.

import { ask, sleep } from "../../../assets/server.js";
import { dialOf } from "./turns.js";

const LOST = "The playground was restarted while this was being written: ask for another answer.";
const NO_ROOM = "The browser has no room for so long a conversation: after a reload, open it from the list.";
const TROUBLED = 1500; // ms until it is asked again

/**
 * An answer that is to be written, after `tokens` and `lead` that it begins with.
 * @param {string} model
 * @param {import("./turns.js").Answer["tokens"]} [tokens]
 * @param {string} [lead]
 * @param {number} [dial]
 * @returns {import("./turns.js").Answer}
 */
export const blankAnswer = (model, tokens = [], lead = "", dial = 1) => ({
  model,
  dial,
  seed: 0,
  lead,
  tokens,
  given: tokens.length,
  name: null,
  state: "writing",
  note: "",
  error: "",
});

/**
 * Put what has been written since into an answer; null: nobody knows of it any more.
 * @param {import("./turns.js").Answer} answer
 * @param {any} news
 */
export function extend(answer, news) {
  if (news === null) return void Object.assign(answer, { state: "failed", error: LOST });
  answer.tokens.push(...news.tokens);
  const { state, note, error, lead, cut } = news;
  Object.assign(answer, { state, note, error, lead, cut });
}

/**
 * What answers are shown on.
 * @typedef {object} Screen
 * @property {(sentence: string) => void} say
 * @property {() => void} draw everything
 * @property {(answer: import("./turns.js").Answer) => void} update what has come since of one answer
 * @property {() => void} toEnd show the end
 */

/**
 * @param {import("./conversation.js").Conversation} conversation
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {Screen} screen
 */
export function makeAnswers(conversation, server, screen) {
  const { tree } = conversation;
  let listening = false;

  /** Something has come to rest: keep it, and show it everywhere. */
  function settle() {
    if (!tree.save()) screen.say(NO_ROOM);
    screen.draw();
    conversation.changed();
    conversation.rested();
  }

  /**
   * Let `answers` be written below `parent`; those that are finished already stay as they are.
   * @param {import("./turns.js").Turn | null} parent
   * @param {import("./turns.js").Answer[]} answers
   */
  async function begin(parent, answers) {
    const below = parent?.id ?? null;
    const place = tree.placeBelow(below);
    const turn = tree.add({ parent: below, role: "assistant", answers, pick: 0, vote: null });
    await write(
      turn,
      turn.answers.filter(({ state }) => state === "writing"),
      place,
    );
  }

  /**
   * Let an answer that was cut off or stopped be written further. Other numbers are drawn than for its beginning.
   * @param {import("./turns.js").Turn} turn
   * @param {number} lane which of its answers
   */
  async function goOn(turn, lane) {
    const answer = turn.answers[lane];
    const given = answer.tokens.length;
    Object.assign(answer, { given, name: null, state: "writing", cut: false, error: "" });
    await write(turn, [answer], [...tree.place(turn), given]);
  }

  async function write(turn, wanted, place) {
    screen.draw();
    const asked = wanted.map((answer) => ({
      ...{ model: answer.model, dial: dialOf(answer) },
      written: answer.tokens.map(([id]) => id),
    }));
    const messages = tree.messages(turn.parent);
    const request = { wish: conversation.settings(), messages, place, answers: asked };
    const { error, names, seed } = await ask(server.begin_answers(request));
    wanted.forEach((one, i) => Object.assign(one, error ? { state: "failed", error } : { name: names[i], seed }));
    if (error) settle();
    else listen();
  }

  const awaited = () => tree.writing().filter(({ name }) => name);

  /** Take what is written until there is nothing to wait for. */
  async function listen() {
    if (listening || !awaited().length) return;
    listening = true;
    for (let all = awaited(); all.length; all = awaited()) {
      const known = Object.fromEntries(all.map(({ name, tokens, given }) => [name, tokens.length - given]));
      const news = await ask(server.more_of_answers({ known }));
      screen.say(news.error ?? "");
      if (news.error) await sleep(TROUBLED);
      else take(all, news.answers);
    }
    listening = false;
    settle();
  }

  function take(all, news) {
    for (const answer of all) {
      extend(answer, news[answer.name]);
      screen.update(answer);
    }
    tree.save();
  }

  function stop() {
    const names = awaited().map(({ name }) => name);
    if (names.length) ask(server.stop_answers({ names }));
  }

  return { begin, goOn, listen, stop, settle };
}
