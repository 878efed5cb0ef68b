// The conversation as a tree of turns, with its settings, kept in the browser. Where one edits a turn, asks for another
// answer or goes on from an earlier place, it branches; the path to its `leaf` is what is shown.

import { textOfTokens } from "../../../assets/tokens.js";

/**
 * An answer: `given` of its tokens it was begun with, `name` is what the playground calls it.
 * @typedef {object} Answer
 * @property {string} model
 * @property {number} [dial] how much of what the model has learned since its parent; 1, or none: the model as it is
 * @property {number} seed
 * @property {string} lead what it begins with that the model has not written
 * @property {[id: number, probability: number, hex: string][]} tokens
 * @property {number} given
 * @property {string | null} name
 * @property {string} state "writing", "stopped", "failed", "edited", ...
 * @property {{id: number, up: boolean} | null} [thumb] what the person thinks of it
 * @property {boolean} [cut] by the limit of its length
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

/**
 * `id` names it where the playground keeps it, `known` the states in which that may be: see conversation_store.py.
 * @typedef {object} Tree
 * @property {Record<number, Turn>} nodes
 * @property {number | null} leaf
 * @property {number} next
 * @property {Record<string, any>} settings
 * @property {string} id
 * @property {string[]} known
 */

const KNOWN = 8; // states: more that nobody has heard an answer about mean that the playground is away
const KEY = "pg-conversation";
const UNHEARD = "The page was reloaded before this was begun: ask for another answer.";

/** All characters that are complete; an answer's beginning that it was given belongs to it. @param {Answer} answer */
export const textOf = ({ lead, tokens }) => lead + textOfTokens(tokens.map(([, , hex]) => hex));

/** Where the dial stood. @param {Answer} answer */
export const dialOf = ({ dial = 1 }) => dial;

/** Who has written an answer. @param {Answer} answer */
export const writerOf = (answer) => answer.model + (dialOf(answer) === 1 ? "" : ` (dial ${dialOf(answer)})`);

/** What was said in a turn. @param {Turn} turn */
export const spoken = (turn) => (turn.role === "user" ? turn.text : textOf(turn.answers[turn.pick]));

/** A name that nothing else has. */
export const newId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/** @returns {Tree} */
const empty = (settings = {}) => ({ nodes: {}, leaf: null, next: 1, settings, id: newId(), known: [] });

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
      if (kept?.nodes && kept.next) return withoutOrphans({ ...empty(), ...kept }); // older ones have no name
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

  /** Where a turn stands: on the way to it, which of the branches. @returns {number[]} */
  const place = (/** @type {Turn | null} */ turn) =>
    turn ? path(turn.id).map((one) => children(one.parent).indexOf(one)) : [];

  /** Where the next turn below one will stand. @param {number | null} parent */
  const placeBelow = (parent) => [...place(tree.nodes[parent]), children(parent).length];

  /** Has a person's turn no answer, and is none being written? @param {Turn} turn */
  const isUnanswered = (turn) =>
    turn.role === "user" &&
    children(turn.id)
      .flatMap(({ answers }) => answers ?? [null]) // a line of the person's below it stands in place of an answer
      .every((answer) => answer && !isWriting(answer) && !textOf(answer).trim());

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
    place,
    placeBelow,
    isUnanswered,
    add,
    show,
    messages,
    leaf: () => tree.nodes[tree.leaf] ?? null,
    parent: (/** @type {Turn} */ turn) => tree.nodes[turn.parent] ?? null,
    siblings: (/** @type {Turn} */ turn) => children(turn.parent),
    /** What comes next is an answer to this turn. */
    goTo: (/** @type {Turn} */ turn) => void (tree.leaf = turn.id),
    clear: () => void (tree = empty(tree.settings)),
    isEmpty: () => !Object.keys(tree.nodes).length,
    settings: () => tree.settings,
    choose: (/** @type {Record<string, any>} */ values) => void (tree.settings = { ...tree.settings, ...values }),
    id: () => tree.id,
    known: () => tree.known,
    /** What the playground keeps. */
    content: () => ({ nodes: tree.nodes, leaf: tree.leaf, next: tree.next }),
    /**
     * Another conversation in place of this one, in the state in which it was kept.
     * @param {string} id
     * @param {Pick<Tree, "nodes" | "leaf" | "next">} turns
     * @param {Record<string, any>} settings
     * @param {string} state
     */
    replace: (id, turns, settings, state) => void (tree = withoutOrphans({ ...turns, settings, id, known: [state] })),
    /** A state is sent to be kept: from now on it may be what is kept. @param {string} state */
    sending: (state) => void (tree.known = [...tree.known.slice(0, 1), ...tree.known.slice(1).slice(-KNOWN), state]),
    /** It is kept, in that state, perhaps as a copy with another id. @param {string} id @param {string} state */
    kept: (id, state) => void Object.assign(tree, { id, known: [state] }),
    /** The answers that have no end yet, on whatever branch. */
    writing: () => answersOf(tree).filter(isWriting),
    save: () => keeper.save(tree),
  };
}

/** @typedef {ReturnType<typeof makeTurns>} Turns */
