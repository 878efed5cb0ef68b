// What is known of heads, and in which order they stand. What a head may be called, and in which colour, comes from
// Python (core/interpretability/head_patterns.py): a pattern is {name, title, color, ink}.

/**
 * Heads as Python sends them: layer after layer, in `heads` once as recognised on the `text`, and once on the `test`.
 * @typedef {{names: string[], numbers: Record<string, number[]>}} Found
 * @typedef {{name: string, title: string, color: string, ink: string}} Pattern
 * @typedef {{n_layer: number, n_head: number, patterns: Pattern[], heads: {text: Found, test: Found}}} Heads
 */

const NO_PATTERN = "no simple pattern";

/**
 * On what heads may be recognised, as [value, text].
 * @type {[import("../../../assets/head_focus.js").Basis, string][]}
 */
export const NAMED_ON = [
  ["text", "this text"],
  ["test", "random tokens"],
];

/** Which heads one may ask for, as [value, text]. @param {Pattern[]} patterns @returns {[string, string][]} */
export const filtersOf = (patterns) => [
  ["", "all"],
  ...patterns.map(({ name, title }) => /** @type {[string, string]} */ ([name, title])),
  ["none", NO_PATTERN],
];

/** In which order they may stand, as [value, text]. @param {Pattern[]} patterns @returns {[string, string][]} */
export const ordersOf = (patterns) => [
  ["layer", "by layer"],
  ["entropy", "entropy, lowest first"],
  ...patterns.map(({ name, title }) => /** @type {[string, string]} */ ([name, `${title} score`])),
];

/** Where the i-th head is, counted from 1. @param {{n_head: number}} value @param {number} i */
const placeOf = ({ n_head }, i) => ({ layer: Math.floor(i / n_head) + 1, head: (i % n_head) + 1 });

/**
 * Which heads fit the filter; the order of those that do, null for that of the layers; the captions below them; and
 * the sentence that says so if there are none.
 * @param {Heads} value
 * @param {{filter: string, order: string, basis: string}} wish
 * @returns {{fits: boolean[], order: number[] | null, captions: string[], none: string}}
 */
export function arrangement(value, { filter, order, basis }) {
  const { names, numbers } = value.heads[basis];
  const wanted = filter === "none" ? "" : filter;
  const fits = names.map((name) => !filter || name === wanted);
  const title = value.patterns.find(({ name }) => name === filter)?.title ?? NO_PATTERN;
  const place = basis === "text" ? "on this text" : "on random tokens that repeat";
  const none = fits.includes(true) ? "" : `No head of this model is recognised as “${title}” ${place}.`;
  const scores = numbers[order];
  if (!scores) return { fits, order: null, captions: names.map(() => ""), none };
  const sign = order === "entropy" ? 1 : -1;
  const chosen = names.map((_, i) => i).filter((i) => fits[i]);
  const caption = (i) => `L${placeOf(value, i).layer} H${placeOf(value, i).head} · ${scores[i].toFixed(2)}`;
  return {
    fits,
    order: chosen.sort((a, b) => sign * (scores[a] - scores[b])),
    captions: names.map((_, i) => caption(i)),
    none,
  };
}

/** The small mark of a pattern: a letter on a colour. @param {Pattern} pattern */
export const markOf = ({ name, color, ink }) => ({ letter: name[0].toUpperCase(), color, ink });

/**
 * What is known of the i-th head, for its mark and for those who point at it.
 * @param {Heads} value
 * @param {number} i
 * @param {"text" | "test"} basis what it is recognised on
 * @returns {{name: string, label: string, facts: [string, string][], mark: ReturnType<typeof markOf> | null}}
 */
export function describeHead(value, i, basis) {
  const { patterns, heads } = value;
  const name = heads[basis].names[i];
  const pattern = patterns.find((one) => one.name === name);
  const { layer, head } = placeOf(value, i);
  const [place, title] = [`layer ${layer}, head ${head}`, pattern?.title ?? NO_PATTERN];
  const onBoth = (/** @type {string} */ number, unit = "") =>
    `${heads.text.numbers[number][i].toFixed(2)}${unit} (${heads.test.numbers[number][i].toFixed(2)})`;
  /** @type {[string, string][]} */
  const shares = patterns.map((one) => [one.title, onBoth(one.name)]);
  return {
    name,
    label: `${place}: ${title}`,
    facts: [
      [place, title],
      ["share of attention on", "this text (random tokens)"],
      ...shares,
      ["entropy", onBoth("entropy", " bits")],
    ],
    mark: pattern ? markOf(pattern) : null,
  };
}
