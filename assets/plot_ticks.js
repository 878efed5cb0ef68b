// What depends on the part of a plot that is in sight: ticks of whole numbers, and labels of lines beside each other.
// No drawing.

const FEW = 5.5; // units in sight: with more, the ticks that Plotly chooses are whole

/**
 * The distance of the ticks of an axis of whole numbers; null where Plotly's own choice has none between them.
 * @param {number[]} range what is in sight, as powers of ten on a log axis
 * @param {boolean} isLog
 * @returns {number | string | null}
 */
export function wholeTicks(range, isLog) {
  const span = Math.abs(range[1] - range[0]);
  if (isLog) return span > 2 ? 1 : span > 1 ? "D2" : "D1"; // decades; 1, 2 and 5 of each; all of its digits
  return span < FEW ? 1 : null;
}

const [LETTER, LINE] = [6.2, 15]; // pixels of a label, about
// Where the label of a line may stand, the best first.
const ALONG = ["end", "start"].flatMap((textposition) =>
  ["bottom", "top"].map((yanchor) => ({ textposition, yanchor })),
);
const UPRIGHT = ["end", "middle", "start"].map((textposition) => ({ textposition }));

/**
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box in pixels
 * @typedef {{text: string, upright: boolean, at: number, panel: Box}} Line `at`: its x if it is upright, else its y
 */

/** @param {Line} line @param {any} place @returns {Box} */
function boxOf({ text, upright, at, panel }, { textposition, yanchor }) {
  const width = text.length * LETTER;
  if (upright) {
    const middle = (panel.top + panel.bottom - LINE) / 2;
    const top = { end: panel.top, middle, start: panel.bottom - LINE }[textposition];
    return { left: at - width, right: at + width, top, bottom: top + LINE }; // on whichever side there is room
  }
  const left = textposition === "end" ? panel.right - width : panel.left;
  const top = yanchor === "bottom" ? at - LINE : at;
  return { left, right: left + width, top, bottom: top + LINE };
}

const meet = (/** @type {Box} */ a, /** @type {Box} */ b) =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/**
 * Where the label of each line stands, as Plotly's attributes: inside of its panel, and on no other as far as can be.
 * @param {Line[]} lines
 */
export function labelPlaces(lines) {
  /** @type {Box[]} */
  const taken = [];
  return lines.map((line) => {
    const isFree = (box) =>
      box.top >= line.panel.top && box.bottom <= line.panel.bottom && !taken.some((other) => meet(box, other));
    const places = line.upright ? UPRIGHT : ALONG;
    const place = places.find((one) => isFree(boxOf(line, one))) ?? places[0];
    taken.push(boxOf(line, place));
    return place;
  });
}
