// Another conversation in place of this one: an empty one, or one that was kept.

const UNKEPT = "What was said last is not kept: press again to leave it, or save it as a file first.";

/**
 * @param {object} parts
 * @param {import("./conversation.js").Conversation} parts.conversation
 * @param {ReturnType<typeof import("./answers.js").makeAnswers>} parts.answers
 * @param {() => Promise<import("./keeping.js").Kept>} parts.keep what there is, before something else takes its place
 * @param {import("./answers.js").Screen} parts.screen
 * @param {(model: string) => void} parts.useModel in the header
 */
export function makeExchange({ conversation, answers, keep, screen, useModel }) {
  const { tree } = conversation;
  let warned = ""; // of the conversation that could not be kept

  // What is being written is stopped, and what there is stays among those that are kept.
  async function leave(change) {
    answers.stop();
    const { error, note } = await keep();
    if (error && warned !== tree.id()) {
      warned = tree.id();
      screen.say(`${error} ${UNKEPT}`);
      return false;
    }
    change();
    conversation.inspect(null);
    screen.say(note);
    tree.save();
    screen.draw();
    conversation.changed();
    conversation.kept();
    return true;
  }

  /**
   * @param {string} id
   * @param {any} content
   * @param {string} state the name of what was kept
   * @param {string} model that answered, "" if it is not there any more
   */
  async function replace(id, content, state, model) {
    if (!(await leave(() => tree.replace(id, content.tree, content.settings, state)))) return false;
    screen.toEnd();
    answers.listen();
    if (model && model !== conversation.model()) useModel(model);
    return true;
  }

  return { clear: () => leave(tree.clear), replace };
}

/** @typedef {ReturnType<typeof makeExchange>} Exchange */
