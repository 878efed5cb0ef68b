// A vote between two answers to the same turn.

import { ask } from "../../../assets/server.js";
import { annotatorName, announceVotes } from "../../../assets/votes.js";
import { dialOf, textOf } from "./turns.js";

/** @typedef {import("./turns.js").Turn} Turn */

/**
 * What a vote says. One that was given before is taken back.
 * @param {Turn} turn
 * @param {string} choice
 * @param {number} now in milliseconds
 */
export function voteBetween(turn, choice, now) {
  const { pair = 0, vote = 0 } = turn.vote ?? {};
  const sides = turn.answers.map((answer) => ({
    ...{ text: textOf(answer).trim(), model: answer.model, dial: dialOf(answer), seed: answer.seed },
  }));
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
 * @param {import("./conversation.js").Conversation} conversation
 * @param {import("../../../assets/server.js").View["server"]} server
 */
export async function castVote(turn, choice, conversation, server) {
  const request = {
    ...voteBetween(turn, choice, Date.now()),
    wish: conversation.settings(),
    messages: conversation.tree.messages(turn.parent),
    annotator: annotatorName(),
    key: crypto.randomUUID(),
  };
  const answer = await ask(server.vote_on_answers(request));
  if (answer.error) return answer.error;
  turn.vote = { choice, ...answer };
  turn.pick = pickAfter(turn, choice);
  announceVotes();
  return "";
}
