// A run's log as the page keeps it: columns that grow. No drawing.

/**
 * `values`: {metric: a value a row, null where the row has none}. `means`: the same, averaged over the steps that a row
 * stands for. See playground/services/run_log.py.
 * @typedef {{step: number[], values: Record<string, (number | null)[]>, means: Record<string, (number | null)[]>}} Log
 */

/** @returns {Log} */
export const newLog = () => ({ step: [], values: {}, means: {} });

/**
 * Append rows. A metric that they, or the rows before them, do not have is null there.
 * @param {Log} log
 * @param {{columns: Record<string, any[]>, means: Record<string, any[]>}} news
 */
export function extendLog(log, { columns, means }) {
  const before = log.step.length;
  log.step.push(...columns.step);
  for (const metric of Object.keys(columns)) {
    if (metric === "step") continue;
    log.values[metric] ??= Array(before).fill(null);
    log.means[metric] ??= Array(before).fill(null);
    log.values[metric].push(...columns[metric]);
    log.means[metric].push(...(means[metric] ?? columns[metric]));
  }
  for (const column of [...Object.values(log.values), ...Object.values(log.means)])
    while (column.length < log.step.length) column.push(null);
  return log;
}

const isThere = (column, i) => (column?.[i] ?? null) !== null;

/** Does any row have it? @param {Log} log @param {string} metric */
export const has = (log, metric) => log.values[metric]?.some((value) => value !== null) ?? false;

/**
 * The places of the rows that have all of these metrics.
 * @param {Log} log
 * @param {...string} metrics
 */
export const rowsWith = (log, ...metrics) =>
  log.step.map((_, i) => i).filter((i) => metrics.every((metric) => isThere(log.values[metric], i)));

/** A metric over the steps that have it. @param {Log} log @param {string} metric */
export function points(log, metric) {
  const kept = rowsWith(log, metric);
  return { x: kept.map((i) => log.step[i]), y: kept.map((i) => log.values[metric][i]) };
}

/**
 * The debiased exponential average, as in TensorBoard; a row that stands for several steps counts as often.
 * @param {Log} log
 * @param {string} metric
 * @param {number} smoothing 0 to 1: what is kept of the average from a step to the next
 */
export function smoothed(log, metric, smoothing) {
  const { x, y } = points({ ...log, values: log.means }, metric);
  let [sum, weight] = [0, 0];
  return {
    x,
    y: y.map((value, i) => {
      const keep = smoothing ** (i ? Math.max(1, x[i] - x[i - 1]) : 1);
      [sum, weight] = [sum * keep + value * (1 - keep), weight * keep + 1 - keep];
      return sum / weight;
    }),
  };
}

/**
 * The evaluation with the lowest validation loss so far; `bits` per byte are null if they were not measured.
 * @param {Log} log
 */
export function bestEvaluation(log) {
  const losses = log.values["loss/val"];
  const measured = rowsWith(log, "loss/val");
  if (!measured.length) return null;
  const at = measured.reduce((a, b) => (losses[b] < losses[a] ? b : a));
  return { step: log.step[at], loss: losses[at], bits: log.values["bpb/val"]?.[at] ?? null };
}

/**
 * The losses of a step as [which, value], as far as they were measured.
 * @param {Log} log
 * @param {number} step
 * @returns {[string, number][]}
 */
export function lossesAt(log, step) {
  const i = log.step.lastIndexOf(step);
  const known = [
    ["validation", "loss/val"],
    ["training", "loss/train"],
  ].filter(([, metric]) => isThere(log.values[metric], i));
  return known.map(([name, metric]) => [name, log.values[metric][i]]);
}
