// Sizes, counts and measurements in words.

/** @param {number} bytes */
export const megabytes = (bytes) =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;

/** @param {number} n */
export const shortCount = (n) =>
  n >= 1e6 ? `${(n / 1e6).toFixed(1)}M` : n >= 1e3 ? `${(n / 1e3).toFixed(0)}k` : String(n);

/** A figure of a report card. @param {{value: number, share: boolean}} figure */
export const figureText = ({ value, share }) =>
  share ? `${Math.round(100 * value)} %` : String(Number(value.toPrecision(4)));
