// What a person thinks of answers: a vote between two to the same turn, a thumb under one, an answer as it should be.

import { ask } from "../../../assets/server.js";
import { annotatorName, announceVotes } from "../../../assets/votes.js";
import { dialOf, textOf } from "./turns.js";

/** @typedef {import("./turns.js").Turn} Turn */
/** @typedef {import("./conversation.js").Conversation} Conversation */
/** @typedef {import("../../../assets/server.js").View["server"]} Server */

/**
 * What all of them say: to what the answer was one, by whose judgement.
 * @param {Turn} turn
 * @param {Conversation} from
 */
const judged = (turn, from) => ({
  wish: from.settings(),
  messages: from.tree.messages(turn.parent),
  annotator: annotatorName(),
  key: crypto.randomUUID(),
});

/** @param {import("./turns.js").Answer} answer */
const written = (answer) => ({
  ...{ text: textOf(answer).trim(), model: answer.model, dial: dialOf(answer), seed: answer.seed },
});

/**
 * What a vote says. One that was given before is taken back.
 * @param {Turn} turn
 * @param {string} choice
 * @param {number} now in milliseconds
 */
export function voteBetween(turn, choice, now) {
  const { pair = 0, vote = 0 } = turn.vote ?? {};
  const sides = turn.answers.map(written);
  return { sides, pair, vote, choice, milliseconds: Math.round(now - (turn.since ?? now)) };
}

/**
 * The answer that the conversation goes on from after a vote.
 * @param {Turn} turn
 * @param {string} choice
 */
export const pickAfter = (turn, choice) => ({ left: 0, right: 1 })[choice] ?? turn.pick;

/**
 * Let Python keep a vote. Returns what went wrong, if anything did.
 * @param {Turn} turn
 * @param {string} choice
 * @param {Conversation} conversation
 * @param {Server} server
 */
export async function castVote(turn, choice, conversation, server) {
  const request = { ...voteBetween(turn, choice, Date.now()), ...judged(turn, conversation) };
  const answer = await ask(server.vote_on_answers(request));
  if (answer.error) return answer.error;
  turn.vote = { choice, ...answer };
  turn.pick = pickAfter(turn, choice);
  announceVotes();
  return "";
}

/**
 * Let Python keep a thumb under an answer, or take the one back that is pressed again. Returns what went wrong.
 * @param {Turn} turn
 * @param {number} lane which of its answers
 * @param {boolean} up
 * @param {Conversation} conversation
 * @param {Server} server
 */
export async function pressThumb(turn, lane, up, conversation, server) {
  const answer = turn.answers[lane];
  const request = { ...written(answer), ...judged(turn, conversation), up, thumb: answer.thumb ?? null };
  const { error = "", thumb } = await ask(server.press_thumb(request));
  if (!error) answer.thumb = thumb;
  if (!error) announceVotes();
  return error;
}

/**
 * Let Python keep an answer as it should have been. Returns it, or what went wrong.
 * @param {Turn} turn
 * @param {number} lane which of its answers
 * @param {string} edited
 * @param {Conversation} conversation
 * @param {Server} server
 * @returns {Promise<{error?: string, text?: string}>}
 */
export async function keepEdit(turn, lane, edited, conversation, server) {
  const request = { ...written(turn.answers[lane]), ...judged(turn, conversation), edited: edited.toWellFormed() };
  const answer = await ask(server.edit_answer(request));
  if (!answer.error) announceVotes();
  return answer;
}
