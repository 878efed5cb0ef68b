// What tokens look at, in numbers and in words.

const SHOWN = 4; // tokens that the sentence names
const FAINT = 0.01; // weights below it are not worth a word

/**
 * @param {string[]} names of the tokens
 * @param {(number | null)[][]} z weights: a row is a query, the future is null
 * @param {number[]} queries
 * @returns {{mean: number[], sentence: string}} the mean of their weights on each token
 */
export function gazeOf(names, z, queries) {
  const rows = queries.filter((i) => i < names.length);
  const total = (key) => rows.reduce((sum, i) => sum + (z[i][key] ?? 0), 0);
  const mean = names.map((_, key) => total(key) / Math.max(1, rows.length));
  if (!rows.length)
    return {
      mean,
      sentence: "Point at a token to see what it looks at; click several to see what they look at on average.",
    };
  const strongest = mean.map((weight, i) => ({ weight, name: names[i] })).sort((a, b) => b.weight - a.weight);
  const seen = strongest.slice(0, SHOWN).filter(({ weight }) => weight >= FAINT);
  const who = rows.length > 1 ? `The ${rows.length} chosen tokens look` : `“${names[rows[0]]}” looks`;
  return {
    mean,
    sentence: `${who} at ${seen.map(({ weight, name }) => `“${name}” ${weight.toFixed(2)}`).join(", ")}.`,
  };
}
