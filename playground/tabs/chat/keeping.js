// A conversation is kept by the playground whenever it comes to rest, so that it outlasts the browser.

import { ask } from "../../../assets/server.js";
import { newId } from "./turns.js";

const COPIED = "Another window has gone on with this conversation: what is shown here is kept as a copy.";

/**
 * What came of keeping it: why it is not kept, or what else there is to say.
 * @typedef {{error: string, note: string}} Kept
 */

/**
 * `keep` sends it as it is now; one call at a time, and what is asked for meanwhile once afterwards. What it returns
 * comes to an end when all is kept.
 * @param {import("./conversation.js").Conversation} conversation
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {(sentence: string) => void} say
 */
export function makeKeeper(conversation, server, say) {
  const { tree } = conversation;
  let wanted = false;
  /** @type {Kept} */
  let last = { error: "", note: "" };
  /** @type {Promise<Kept> | null} */
  let busy = null;

  async function send() {
    const [id, revision] = [tree.id(), newId()];
    const content = { tree: tree.content(), settings: conversation.settings() };
    const request = { id, content, known: tree.known(), revision };
    tree.sending(revision);
    tree.save();
    const answer = await ask(server.keep_conversation(request));
    last = { error: answer.error ?? "", note: answer.error || answer.id === id ? "" : COPIED };
    if (!answer.error && tree.id() === id) {
      tree.kept(answer.id, revision);
      tree.save();
    }
    if (last.error || last.note) say(last.error || last.note);
    conversation.kept();
  }

  async function work() {
    await null; // `busy` is set by then
    while (wanted) {
      wanted = false;
      if (!tree.isEmpty()) await send();
    }
    busy = null;
    return last;
  }

  return function keep() {
    wanted = true;
    busy ??= work();
    return busy;
  };
}
