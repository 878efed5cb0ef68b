// Votes on their way to Python: one pair at a time; a vote is stored before the next pair is shown, and none is lost or
// counted twice. What is asked goes one after the other; each vote has a key of its own, and is sent again until there
// is an answer. Nothing here is drawn: what is seen is in screen.js.

import { debounce, poll } from "../../../assets/server.js";
import { newKey } from "./this_window.js";

const READING = 250; // ms in which nobody has read a new pair: what is pressed then was meant for the one before
const [WAITING, TROUBLED, UNANSWERED] = [300, 3000, 1500]; // ms until it is asked again
const NO_ANSWER = "The playground does not answer. Start it again to go on.";
const SILENT =
  "The playground does not answer. Your vote is kept and sent again; start the playground if it was stopped.";

/**
 * What the session shows itself on.
 * @typedef {object} Screen
 * @property {(pair: any, note: string, isNew: boolean) => void} showPair
 * @property {(mood: "waiting" | "trouble", text: string) => void} showNone why there is no pair
 * @property {(answer: any, goal: number) => void} showProgress
 * @property {(last: {text?: string, names?: string, mood?: string}) => void} say
 * @property {(choice: string, isGiven: boolean) => void} mark the button of a vote that is on its way
 * @property {() => string} takeNote the note that was typed, which is then gone
 * @property {(call: () => void) => void} onceDrawn
 * @property {() => boolean} isVisible
 */

/** Jobs that are done one after the other; one that fails does not hold up the next. */
export function inOrder() {
  let chain = Promise.resolve();
  return (/** @type {() => Promise<void>} */ job) => (chain = chain.then(job).catch((error) => console.error(error)));
}

// Until there is an answer: the vote has a key, so that the playground counts it once.
function deliver(unsent, { server, screen, kept }) {
  kept.set("unsent", unsent);
  const send = async (done) => {
    const answer = await server.cast_vote(unsent).catch(() => undefined);
    if (answer) {
      kept.set("unsent", null);
      return void done(answer);
    }
    screen.say({ text: SILENT, mood: "wrong" });
    return UNANSWERED;
  };
  return new Promise((done) => poll(() => send(done)));
}

// The pair that is shown; where there is none, `look` is called after a while.
function makeShown({ screen, kept }, look) {
  let [pair, since, undoable] = [null, 0, false];
  const [lookSoon, lookLater] = [debounce(look, WAITING), debounce(look, TROUBLED)];

  function hold(next) {
    pair = next;
    kept.set("holding", next.id);
  }

  function showNone(mood, text) {
    pair = null;
    screen.showNone(mood, text);
    if (mood === "waiting") lookSoon();
    else lookLater();
  }

  function take(answer, goal) {
    if (answer.error) return showNone("trouble", answer.error);
    if (answer.last) screen.say(answer.last);
    undoable = answer.undoable;
    screen.showProgress(answer, goal);
    if (answer.trouble) return showNone("trouble", answer.trouble);
    if (!answer.pair) return showNone("waiting", "The model is writing answers …");
    const isNew = answer.pair.id !== pair?.id;
    if (isNew) since = performance.now();
    hold(answer.pair);
    screen.showPair(pair, answer.note, isNew);
  }

  return { take, pair: () => pair, undoable: () => undoable, milliseconds: () => performance.now() - since };
}

/**
 * @param {object} parts
 * @param {import("../../../assets/server.js").View["server"]} parts.server
 * @param {Screen} parts.screen
 * @param {{get: (what: string) => any, set: (what: string, value: unknown) => void}} parts.kept over a reload
 * @param {() => Promise<{window: string, annotator: string}>} parts.voter
 * @param {() => void} parts.changed called when votes have come or gone
 */
export function makeSession(parts) {
  const { server, screen, kept, voter, changed } = parts;
  let [wish, pending, wanted] = [null, 0, new AbortController()];
  const enqueue = inOrder();
  const shown = makeShown(parts, () => screen.isVisible() && refresh()); // else when it is seen again
  const context = async () => ({ ...(await voter()), wish });
  const take = (answer) => shown.take(answer, wish.goal);

  // Whatever was asked for before is void: what comes now brings the next pair.
  function supersede() {
    wanted.abort();
    wanted = new AbortController();
    return wanted.signal;
  }

  // Ask for the pair to show. What the form said meanwhile wins.
  function refresh() {
    const signal = supersede();
    return enqueue(async () => {
      if (signal.aborted || !wish) return;
      const request = { ...(await context()), holding: kept.get("holding") };
      const answer = await server.next_pair(request).catch(() => undefined);
      if (!signal.aborted) take(answer ?? { error: NO_ANSWER });
    });
  }

  function vote(choice, margin = 0) {
    const [pair, milliseconds] = [shown.pair(), Math.round(shown.milliseconds())];
    if (!pair || pending || milliseconds < READING) return;
    const given = { key: newKey(), pair: pair.id, choice, margin, milliseconds, note: screen.takeNote() };
    pending++;
    screen.mark(choice, true);
    supersede();
    enqueue(async () => {
      const answer = await deliver({ ...(await context()), ...given }, parts);
      pending--;
      screen.mark(choice, false);
      take(answer);
      screen.onceDrawn(changed); // first the next pair is seen
    });
  }

  function undo() {
    if (!shown.undoable() && !pending) return;
    const key = newKey();
    pending++;
    supersede();
    enqueue(async () => {
      const answer = await server.undo_vote({ ...(await context()), key }).catch(() => undefined);
      pending--;
      if (!answer || answer.error) return screen.say({ text: answer?.error ?? SILENT, mood: "wrong" });
      take(answer);
      changed();
    });
  }

  // A vote that had no answer before the page was reloaded is sent first.
  function begin(value) {
    wish = value;
    const unsent = kept.get("unsent");
    if (unsent) enqueue(async () => take(await deliver(unsent, parts)));
    refresh();
  }

  // What is wished for has changed: another pair, unless the form was only filled after a reload.
  function change(value) {
    wish = value;
    if (shown.pair()) kept.set("holding", null);
    refresh();
  }

  const ask = () => wish && refresh();
  const resume = () => !shown.pair() && !pending && screen.isVisible() && ask();
  return { vote, undo, begin, change, ask, resume };
}
