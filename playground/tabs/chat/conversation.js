// What the tab's views share: the turns, the settings, what the page's widgets hold, the token that is looked into.

import { debounce } from "../../../assets/server.js";

const REST = 500; // ms without a change of a setting until it is kept

/**
 * A token that is looked into: which of an answer, and where that stands.
 * @typedef {{node: import("./turns.js").Turn, lane: number, answer: import("./turns.js").Answer, index: number}} Place
 */

/** Who hears of something. */
function makeListeners() {
  const all = new Set();
  return {
    tell: () => all.forEach((listener) => listener()),
    add: (/** @type {() => unknown} */ listener) => void all.add(listener),
  };
}

/** @param {import("./turns.js").Turns} tree */
export function makeConversation(tree) {
  /** @type {{model: string | null, draft: string} | null} */
  let held = null; // what the header and the box for a line hold
  /** @type {Record<string, any> | null} */
  let defaults = null; // of the settings, once their controls are there
  /** @type {Place | null} */
  let inspected = null;
  const [changes, rests, keeps] = [makeListeners(), makeListeners(), makeListeners()];

  const restSoon = debounce(rests.tell, REST);
  const isReady = () => held !== null && defaults !== null;
  /** @returns {Record<string, any>} */
  function settings() {
    /** @type {Record<string, any>} */
    const all = { ...defaults, ...tree.settings(), model: held?.model };
    return { ...all, dial: all.dialled && all.dialled === all.model ? all.dial : 1 }; // that of another model is none
  }

  // A model that answers reads what the last answer was an answer to; another one goes on from its end.
  function upcoming(answers) {
    const draft = held?.draft ?? "";
    const said = tree.messages();
    if (draft.trim()) return [...said, { role: "user", content: draft.toWellFormed() }];
    if (answers) while (said.at(-1)?.role === "assistant") said.pop();
    return said;
  }

  return {
    tree,
    /** Tell all views that something is otherwise. */
    changed: changes.tell,
    onChange: changes.add,
    /** Tell that it has come to rest, and can be kept. */
    rested: rests.tell,
    onRest: rests.add,
    /** Tell that the list of those that are kept is otherwise. */
    kept: keeps.tell,
    onKept: keeps.add,
    /** What the header and the box hold has changed. @param {{model: string | null, draft: string}} value */
    hold(value) {
      held = value;
      changes.tell();
    },
    /** The controls are there. @param {Record<string, any>} values of those that nobody has touched */
    setDefaults(values) {
      defaults = values;
      changes.tell();
    },
    /** @param {Record<string, any>} values settings that were changed */
    choose(values) {
      tree.choose(values);
      tree.save();
      changes.tell();
      restSoon();
    },
    /** Who answers and how, all that is asked for with a line. */
    settings,
    /** Is it known what the header and the controls hold? */
    isReady,
    /** The model in the header. */
    model: () => (isReady() ? held.model : null),
    /** The models that answer now, the one in the header first. */
    models: () => [held.model, settings().beside].filter((name, i, all) => name && all.indexOf(name) === i),
    /** The same with where the dial of the first one stands; turned, it may answer beside itself as it is. */
    writers() {
      const { model, beside, dial } = settings();
      const other = beside && (beside !== model || dial !== 1) ? [{ model: beside, dial: 1 }] : [];
      return [...(model ? [{ model, dial }] : []), ...other];
    },
    /** What a model would read now: with the line that is being typed, else what has been said. */
    upcoming,
    inspected: () => inspected,
    /** @param {Place | null} place */
    inspect(place) {
      inspected = place;
      changes.tell();
    },
  };
}

/** @typedef {ReturnType<typeof makeConversation>} Conversation */
