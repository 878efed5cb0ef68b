// What a person does with answers when they judge them: a vote between two, a thumb under one, an answer rewritten.

import { blankAnswer } from "./answers.js";
import { dialOf } from "./turns.js";
import { castVote, keepEdit, pressThumb } from "./vote.js";

/** @typedef {import("./turns.js").Turn} Turn */

const EDITED = "edited by you: kept among the votes as better than what was written";

/**
 * @param {object} parts
 * @param {import("./conversation.js").Conversation} parts.conversation
 * @param {ReturnType<typeof import("./answers.js").makeAnswers>} parts.answers
 * @param {import("../../../assets/server.js").View["server"]} parts.server
 * @param {import("./answers.js").Screen} parts.screen
 * @param {() => boolean} parts.isFree is nothing being written? If there is, that is said
 */
export function makeJudging({ conversation, answers, server, screen, isFree }) {
  /** Say what went wrong; else keep what has changed. @param {string} trouble */
  const end = (trouble) => (trouble ? screen.say(trouble) : answers.settle());

  /** @param {Turn} turn @param {string} choice */
  const vote = async (turn, choice) => end(await castVote(turn, choice, conversation, server));

  /** @param {Turn} turn @param {number} lane which of its answers @param {boolean} up */
  const thumb = async (turn, lane, up) => end(await pressThumb(turn, lane, up, conversation, server));

  /**
   * An answer as it should have been, on a branch of its own.
   * @param {Turn} turn
   * @param {number} lane which of its answers
   * @param {string} text
   */
  async function editAnswer(turn, lane, text) {
    if (!isFree()) return;
    const { error = "", text: edited } = await keepEdit(turn, lane, text, conversation, server);
    if (error) return screen.say(error);
    const { model, seed } = turn.answers[lane];
    const answer = {
      ...blankAnswer(model, [], edited, dialOf(turn.answers[lane])),
      seed,
      state: "edited",
      note: EDITED,
    };
    const all = turn.answers.map((one, i) => (i === lane ? answer : { ...one }));
    conversation.tree.add({ parent: turn.parent, role: "assistant", answers: all, pick: lane, vote: null });
    screen.say("");
    answers.settle();
  }

  return { vote, thumb, editAnswer };
}
