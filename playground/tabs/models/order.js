// In which order checkpoints are listed, and which of them. No drawing.

/**
 * A checkpoint in short: see `short` in playground/tabs/models/cards.py.
 * @typedef {{name: string, kind: string, size: number, trouble: string}} Card
 * @typedef {{sort: string, kind: string, text: string}} Wanted `kind` and `text` are empty for all
 */

/** How a list can be sorted: [value, what is read]. @type {[string, string][]} */
export const SORTS = [
  ["family", "Family"],
  ["latest", "Latest first"],
  ["name", "Name"],
  ["size", "Size"],
];

/**
 * The children below their parents, depth first: [card, how deep it stands].
 * @param {Card[]} cards
 * @param {{from: string, to: string, role: string}[]} edges
 * @returns {[Card, number][]}
 */
export function byFamily(cards, edges) {
  const names = new Set(cards.map(({ name }) => name));
  const parent = new Map(
    edges.filter(({ role, from }) => role === "parent" && names.has(from)).map((e) => [e.to, e.from]),
  );
  /** @type {[Card, number][]} */
  const found = [];
  const seen = new Set();
  const add = (card, depth) => {
    if (seen.has(card.name)) return;
    seen.add(card.name);
    found.push([card, depth]);
    for (const child of cards) if (parent.get(child.name) === card.name) add(child, depth + 1);
  };
  for (const card of cards) if (!parent.has(card.name)) add(card, 0);
  for (const card of cards) add(card, 0); // a circle of parents, which damaged cards may claim
  return found;
}

const COMPARE = {
  name: (a, b) => a.name.localeCompare(b.name),
  size: (a, b) => b.size - a.size,
};

/**
 * What is listed, and how deep it is indented. What cannot be read stands last.
 * @param {Card[]} cards the latest first
 * @param {{from: string, to: string, role: string}[]} edges
 * @param {Wanted} wanted
 * @returns {[Card, number][]}
 */
export function listed(cards, edges, { sort, kind, text }) {
  const fits = (card) => (!kind || card.kind === kind) && card.name.toLowerCase().includes(text.trim().toLowerCase());
  const some = [...cards.filter(({ trouble }) => !trouble), ...cards.filter(({ trouble }) => trouble)].filter(fits);
  if (sort === "family" && some.length === cards.length) return byFamily(some, edges);
  const sorted = COMPARE[sort]
    ? some.toSorted((a, b) => Number(!!a.trouble) - Number(!!b.trouble) || COMPARE[sort](a, b))
    : some;
  return sorted.map((card) => [card, 0]);
}

/**
 * The checkpoint that is shown at first: the header's, or else the first that can be read.
 * @param {Card[]} cards
 * @param {string} header
 */
export const firstShown = (cards, header) =>
  (cards.find(({ name }) => name === header) ?? cards.find(({ trouble }) => !trouble) ?? cards[0])?.name ?? "";
