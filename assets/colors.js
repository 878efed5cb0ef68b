// Colours: the page's own, and scales of numbers. A packed pixel is 0xAABBGGRR, as a canvas holds it.

/** A colour of the page, light or dark. @param {string} name of a CSS variable */
export const cssColor = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

/**
 * 256 packed pixels along a scale of colours.
 * @param {string[]} scale "#rrggbb", evenly spaced
 */
export function colorTable(scale) {
  const stops = scale.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, value) => {
    const at = (value / 255) * (stops.length - 1);
    const [low, high] = [stops[Math.floor(at)], stops[Math.ceil(at)]];
    const [r, g, b] = low.map((c, i) => Math.round(c + (high[i] - c) * (at % 1)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

const channels = (/** @type {number} */ pixel) => [0, 8, 16].map((shift) => (pixel >> shift) & 255);

/** A packed pixel as CSS. @param {number} pixel */
export const cssOf = (pixel) => `rgb(${channels(pixel).join(" ")})`;

/** Black or white, whichever is easier to read on it (WCAG 2.1, relative luminance). @param {number} pixel */
export function readableOn(pixel) {
  const linear = (/** @type {number} */ c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = channels(pixel).map((channel) => linear(channel / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}
