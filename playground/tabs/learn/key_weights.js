// How one key must change for a head to look at it. No drawing.

/** @param {number[]} scores */
export function softmax(scores) {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/**
 * The smallest change of one key, in length, after which its token gets the share `wanted` of the attention: it points
 * along the query, since only that part of a key counts in q · k. Negative if the key must turn away.
 * @param {{scores: number[], query_length: number, scale: number}} head scores are scaled
 * @param {number} key
 * @param {number} wanted between 0 and 1
 * @returns {{change: number, score: number}} and the score that the key has then
 */
export function keyChange({ scores, query_length, scale }, key, wanted) {
  const largest = Math.max(...scores);
  const others = scores.reduce((sum, score, i) => (i === key ? sum : sum + Math.exp(score - largest)), 0);
  const score = largest + Math.log((wanted / (1 - wanted)) * others);
  return { change: (score - scores[key]) / (query_length * scale), score };
}
