// Numbers on an axis: where each stands, and how it is written. No drawing.

/** @typedef {{low: number, high: number, log?: boolean, whole?: boolean}} Scale */

/** Where a value stands, 0 at the low end and 1 at the high one. @param {Scale} scale @param {number} value */
export const toSlider = ({ low, high, log }, value) =>
  log ? Math.log(Math.max(value, low / 1e6) / low) / Math.log(high / low) : (value - low) / (high - low);

/** The value that stands there. @param {Scale} scale @param {number} share */
export const fromSlider = ({ low, high, log, whole }, share) => {
  const value = log ? low * (high / low) ** share : low + (high - low) * share;
  return whole ? Math.round(value) : Number(value.toPrecision(4));
};

/**
 * A number in at most three digits, or all before the point, with its unit.
 * @param {number} value
 * @param {string} [unit]
 */
export function shownNumber(value, unit = "") {
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 0.001 || size >= 1e7)
      ? value.toExponential(1)
      : value.toLocaleString("en", size >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
  return unit ? `${text} ${unit}` : text;
}

const NICE = [1, 2, 2.5, 5, 10];
const FEW = 5; // ticks, about

/** Where an axis has ticks. @param {Scale & {at?: number[]}} scale @returns {number[]} */
export function ticksOf({ low, high, log, at }) {
  if (at?.length) return at;
  if (log) {
    const decades = [];
    for (let power = Math.ceil(Math.log10(low) - 1e-9); 10 ** power <= high * (1 + 1e-9); power++)
      decades.push(10 ** power);
    return decades;
  }
  const rough = (high - low) / FEW;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = decade * NICE.find((nice) => nice * decade >= rough - 1e-12);
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + step * 1e-9; tick += step)
    ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}
