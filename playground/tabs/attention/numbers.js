// Numbers of the forward pass as text and as colours.

import { cssOf } from "../../../assets/colors.js";

/** A number with a true minus sign; null is minus infinity, which JSON lacks. @param {number | null} value */
export const decimal = (value, digits = 3) =>
  value === null
    ? "−∞"
    : value
        .toFixed(digits)
        .replace(/^-(?=[0.]*$)/, "")
        .replace("-", "−");

/** A probability as per cent, small ones with a digit more. @param {number} share */
export const percent = (share) => (share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`);

/**
 * Where a number lies between -largest and largest, as a place from 0 to 255.
 * @param {number} value
 * @param {number} largest
 */
export const placeOnScale = (value, largest) =>
  Math.round(127.5 * (1 + Math.max(-1, Math.min(1, value / (largest || 1)))));

/**
 * The same as a colour of a scale from less to more.
 * @param {Uint32Array} colors 256 of them
 * @param {number} value
 * @param {number} largest
 */
export const signedColor = (colors, value, largest) => cssOf(colors[placeOnScale(value, largest)]);
