// What a person does with a conversation: say something, ask again, branch, choose between answers.

import { blankAnswer } from "./answers.js";
import { makeJudging } from "./judging.js";
import { dialOf } from "./turns.js";

/** @typedef {import("./turns.js").Turn} Turn */

const BUSY = "An answer is being written: wait for it, or stop it.";
const NO_MODEL = "There is no model yet: train one in the Train tab.";
const NOTHING_SAID = "Write a line first, for the model to answer or to continue.";
const ITS_OWN = "Write a line first: this model answers, and the last answer is its own.";
const EMPTY = "The line is empty: write something, or cancel.";

/**
 * The answer as it was up to the token at `index`, then another token; the answers beside it stay as they are.
 * @param {Turn} turn
 * @param {number} lane which of its answers
 * @param {number} index
 * @param {import("./turns.js").Answer["tokens"][number]} token
 */
export const withToken = (turn, lane, index, token) =>
  turn.answers.map((answer, i) =>
    i === lane
      ? blankAnswer(answer.model, [...answer.tokens.slice(0, index), token], answer.lead, dialOf(answer))
      : { ...answer },
  );

/**
 * Why a text cannot be said now; "" if it can.
 * @param {import("./conversation.js").Conversation} conversation
 * @param {string} text
 * @param {boolean} isAnswered
 */
export function objection({ model, tree }, text, isAnswered) {
  if (!model()) return NO_MODEL;
  if (tree.writing().length) return BUSY;
  if (text.trim()) return "";
  if (!tree.leaf()) return NOTHING_SAID;
  return tree.leaf().role === "assistant" && isAnswered ? ITS_OWN : "";
}

/**
 * @param {object} parts
 * @param {import("./conversation.js").Conversation} parts.conversation
 * @param {ReturnType<typeof import("./answers.js").makeAnswers>} parts.answers
 * @param {import("../../../assets/server.js").View["server"]} parts.server
 * @param {import("./answers.js").Screen} parts.screen
 * @param {() => boolean} parts.isAnswered whether one of the models answers, rather than going on
 */
export function makeComposer({ conversation, answers, server, screen, isAnswered }) {
  const { tree } = conversation;
  const { say } = screen;

  function isFree() {
    if (tree.writing().length) say(BUSY);
    return !tree.writing().length;
  }

  const answerAll = (turn = tree.leaf()) =>
    answers.begin(
      turn,
      conversation.writers().map(({ model, dial }) => blankAnswer(model, [], "", dial)),
    );

  /** A person's turn that has no answer. @param {Turn} turn */
  function answerThis(turn) {
    if (isFree()) answerAll(turn);
  }

  /** An answer that was cut off or stopped. @param {Turn} turn @param {number} lane which of its answers */
  function goOn(turn, lane) {
    if (isFree()) answers.goOn(turn, lane);
  }

  /** Say something. Returns what stays in the box. @param {string} text */
  function send(text) {
    const objected = objection(conversation, text, isAnswered());
    say(objected);
    if (objected) return text;
    if (text.trim()) tree.add({ parent: tree.leaf()?.id ?? null, role: "user", text: text.toWellFormed() });
    answerAll();
    screen.toEnd();
    return "";
  }

  /** Say something else in place of a turn. @param {Turn} turn @param {string} text */
  function edit(turn, text) {
    if (!text.trim()) return say(EMPTY);
    if (!isFree()) return;
    tree.add({ parent: turn.parent, role: "user", text: text.toWellFormed() });
    answerAll();
  }

  /** With the next seed, by the same models, the first one where its dial stands now. @param {Turn} turn */
  function answerAgain(turn) {
    if (!isFree()) return;
    const now = conversation.writers()[0];
    const dial = (answer, lane) => (lane === 0 && answer.model === now?.model ? now.dial : dialOf(answer));
    answers.begin(
      tree.parent(turn),
      turn.answers.map((answer, lane) => blankAnswer(answer.model, [], "", dial(answer, lane))),
    );
  }

  /**
   * Another token at a place, and whatever follows.
   * @param {import("./conversation.js").Place} place
   * @param {import("./turns.js").Answer["tokens"][number]} token
   */
  function takeInstead({ node, lane, index }, token) {
    if (!isFree()) return;
    answers.begin(tree.parent(node), withToken(node, lane, index, token));
    const branch = tree.leaf();
    conversation.inspect({ node: branch, lane, answer: branch.answers[lane], index });
  }

  // Move in the tree, where nothing is being written.
  const move = (go) => (/** @type {Turn} */ turn) => {
    if (!isFree()) return;
    go(turn);
    answers.settle();
  };

  return {
    send,
    edit,
    answerAgain,
    takeInstead,
    ...makeJudging({ conversation, answers, server, screen, isFree }),
    answerThis,
    goOn,
    stop: answers.stop,
    show: move(tree.show),
    goTo: move(tree.goTo),
  };
}

/** @typedef {ReturnType<typeof makeComposer>} Composer */
