// What the tab's views share: the turns, what the widgets hold, and the token that is looked into.

/**
 * A token that is looked into: which of an answer, and where that stands.
 * @typedef {{node: import("./turns.js").Turn, lane: number, answer: import("./turns.js").Answer, index: number}} Place
 */

/** @param {import("./turns.js").Turns} tree */
export function makeConversation(tree) {
  /** @type {Record<string, any> | null} */
  let wish = null; // what the widgets hold, and the line that is being typed as its `draft`
  /** @type {Place | null} */
  let inspected = null;
  const listeners = new Set();
  const changed = () => listeners.forEach((listener) => listener());

  function settings() {
    const held = { ...wish };
    delete held.draft;
    return held;
  }

  // A model that answers reads what the last answer was an answer to; another one goes on from its end.
  function upcoming(answers) {
    const draft = wish?.draft ?? "";
    const said = tree.messages();
    if (draft.trim()) return [...said, { role: "user", content: draft.toWellFormed() }];
    if (answers) while (said.at(-1)?.role === "assistant") said.pop();
    return said;
  }

  return {
    tree,
    /** Tell all views that something is otherwise. */
    changed,
    /** @param {() => unknown} listener */
    onChange: (listener) => void listeners.add(listener),
    /** What the widgets hold has changed. @param {Record<string, any>} value */
    want(value) {
      wish = value;
      changed();
    },
    /** What the widgets hold, but for the line that is being typed. */
    settings,
    /** The model in the header. */
    model: () => wish?.model,
    /** The models that answer now, the one in the header first. */
    models: () => [wish.model, wish.beside].filter((name, i, all) => name && all.indexOf(name) === i),
    /** What a model would read now: with the line that is being typed, else what has been said. */
    upcoming,
    inspected: () => inspected,
    /** @param {Place | null} place */
    inspect(place) {
      inspected = place;
      changed();
    },
  };
}

/** @typedef {ReturnType<typeof makeConversation>} Conversation */
