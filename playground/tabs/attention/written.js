// Two texts that a model wrote with the same random numbers: where they differ.

/** A token and its probability. @typedef {[string, number]} Written */

/**
 * Has the other text another token, or none, at this place?
 * @param {Written[]} tokens
 * @param {Written[]} others
 * @param {number} i
 */
export const differs = (tokens, others, i) => tokens[i][0] !== others[i]?.[0];

/**
 * In words, how far they agree.
 * @param {Written[]} tokens
 * @param {Written[]} others
 */
export function describeDifference(tokens, others) {
  const most = Math.max(tokens.length, others.length);
  const different = Array.from({ length: most }, (_, i) => tokens[i]?.[0] !== others[i]?.[0]);
  const first = different.indexOf(true);
  if (first < 0) return `Both wrote the same ${most} tokens.`;
  const count = different.filter(Boolean).length;
  const agreed = first ? `The first ${first} of ${most} tokens agree` : `The texts part at the first of ${most} tokens`;
  return `${agreed}; ${count} differ.`;
}
