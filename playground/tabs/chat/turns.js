// The conversation as a tree of turns, kept in the browser. Where one edits a turn, asks for another answer or goes on
// from an earlier place, it branches; the path to its `leaf` is what is shown.

/**
 * An answer: `given` of its tokens it was begun with, `name` is what the playground calls it.
 * @typedef {object} Answer
 * @property {string} model
 * @property {number} seed
 * @property {string} lead what it begins with that the model has not written
 * @property {[id: number, probability: number, hex: string][]} tokens
 * @property {number} given
 * @property {string | null} name
 * @property {string} state "writing", "stopped", "failed", ...
 * @property {string} note
 * @property {string} error
 */

/**
 * A person's turn has a text; a model's has answers, of which one is picked, and may have a vote between them.
 * @typedef {object} Turn
 * @property {number} id
 * @property {number | null} parent
 * @property {string} role "user" or "assistant"
 * @property {string} [text]
 * @property {Answer[]} [answers]
 * @property {number} [pick]
 * @property {any} [vote]
 * @property {number} [since] when its answers could be compared first
 */

/** @typedef {{nodes: Record<number, Turn>, leaf: number | null, next: number}} Tree */

const KEY = "pg-conversation";
const UNHEARD = "The page was reloaded before this was begun: ask for another answer.";

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** All characters that are complete; an answer's beginning that it was given belongs to it. @param {Answer} answer */
export function textOf({ lead, tokens }) {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return lead + tokens.map(([, , hex]) => decoder.decode(bytes(hex), { stream: true })).join("");
}

/** What was said in a turn. @param {Turn} turn */
export const spoken = (turn) => (turn.role === "user" ? turn.text : textOf(turn.answers[turn.pick]));

/** @returns {Tree} */
const empty = () => ({ nodes: {}, leaf: null, next: 1 });

const answersOf = (/** @type {Tree} */ tree) => Object.values(tree.nodes).flatMap(({ answers }) => answers ?? []);
const isWriting = ({ state }) => state === "writing";

// What was asked for when the page was reloaded, and has no name yet, will never be heard of again.
function withoutOrphans(tree) {
  for (const answer of answersOf(tree).filter(isWriting))
    if (!answer.name) Object.assign(answer, { state: "failed", error: UNHEARD });
  return tree;
}

/**
 * Where a conversation is kept: this window's own survives a reload; a new window begins with the latest one.
 * @param {Pick<Storage, "getItem" | "setItem">} own
 * @param {Pick<Storage, "getItem" | "setItem">} latest
 */
export const keepIn = (own, latest) => ({
  /** @returns {Tree} */
  load() {
    try {
      const kept = JSON.parse(own.getItem(KEY) ?? latest.getItem(KEY) ?? "null");
      if (kept?.nodes && kept.next) return withoutOrphans(kept);
    } catch {
      // what is there was not written here
    }
    return empty();
  },
  /** Was there room for it? @param {Tree} tree */
  save(tree) {
    const text = JSON.stringify(tree);
    try {
      own.setItem(KEY, text);
      latest.setItem(KEY, text);
      return true;
    } catch {
      return false;
    }
  },
});

/** @param {ReturnType<typeof keepIn>} keeper */
export function makeTurns(keeper) {
  let tree = keeper.load();

  /** From the first turn to one. @returns {Turn[]} */
  function path(leaf = tree.leaf) {
    const found = [];
    for (let turn = tree.nodes[leaf]; turn; turn = tree.nodes[turn.parent]) found.unshift(turn);
    return found;
  }

  const children = (/** @type {number | null} */ parent) =>
    Object.values(tree.nodes).filter((turn) => turn.parent === parent);

  /** @param {Omit<Turn, "id">} turn @returns {Turn} the one that is kept, to write into */
  function add(turn) {
    const id = tree.next++;
    tree.nodes[id] = { ...turn, id };
    tree.leaf = id;
    return tree.nodes[id];
  }

  /** Where the next turn below one will stand: on the way to it, which of the branches. @returns {number[]} */
  const placeBelow = (/** @type {number | null} */ parent) => [
    ...path(parent).map((turn) => children(turn.parent).indexOf(turn)),
    children(parent).length,
  ];

  /** Show the branch that `turn` is on, to its latest end. @param {Turn} turn */
  function show(turn) {
    let last = turn;
    for (let below = children(last.id); below.length; below = children(last.id)) last = below.at(-1);
    tree.leaf = last.id;
  }

  /** What a model is told was said, up to a turn. Answers that say nothing are left out. */
  const messages = (leaf = tree.leaf) =>
    path(leaf)
      .map((turn) => ({ role: turn.role, content: spoken(turn) }))
      .filter(({ content }) => content.trim());

  return {
    path,
    children,
    placeBelow,
    add,
    show,
    messages,
    leaf: () => tree.nodes[tree.leaf] ?? null,
    parent: (/** @type {Turn} */ turn) => tree.nodes[turn.parent] ?? null,
    siblings: (/** @type {Turn} */ turn) => children(turn.parent),
    /** What comes next is an answer to this turn. */
    goTo: (/** @type {Turn} */ turn) => void (tree.leaf = turn.id),
    clear: () => void (tree = empty()),
    /** The answers that have no end yet, on whatever branch. */
    writing: () => answersOf(tree).filter(isWriting),
    save: () => keeper.save(tree),
  };
}

/** @typedef {ReturnType<typeof makeTurns>} Turns */
