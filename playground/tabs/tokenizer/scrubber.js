// The merge scrubber. The server says once how many merges each boundary of the text survives; every position of the
// slider is then computed here.

import { facts, make, number } from "../../../assets/dom.js";
import { draw as drawPlot, plotly } from "../../../assets/plots.js";
import { ask, drawWhenSeen } from "../../../assets/server.js";
import { chip, fill, passage, spacedHex } from "../../../assets/tokens.js";
import { colorsOf, figures, piecesAfter, placeOf } from "./merges.js";
import { tokenDetails, wordOf } from "./token_details.js";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  const root = element.querySelector(".pg-scrubber");
  const { range, exact, controls } = makeControls();
  const [counts, note, plot] = [make("div"), make("p", "pg-note"), make("div", "pg-merge-curve")];
  const one = tokenDetails(server);
  let [seen, wish, hexes, n, due] = [null, null, [], null, false];

  /** @returns {[string, string][]} */
  const describe = (i) => [
    ["token", wordOf(hexes[i])],
    ["bytes", spacedHex(hexes[i])],
    ["in this text", `${number(hexes.filter((hex) => hex === hexes[i]).length)}×`],
  ];
  const open = (i) => one.open({ ...wish, text: undefined, hex: hexes[i] });
  const chips = passage("Tokens after these merges", describe, open);

  function draw() {
    due = false;
    const pieces = piecesAfter(n, seen);
    hexes = pieces.map(([start, end]) => seen.bytes.slice(2 * start, 2 * end));
    const colors = colorsOf(pieces);
    const nodes = hexes.map((hex, i) => chip(hex, colors[i], wish.spaces));
    fill(chips, nodes, hexes);
    counts.replaceChildren(facts(figures(n, hexes, seen)));
    range.setAttribute("aria-valuetext", `${number(n)} merges, ${number(hexes.length)} tokens`);
    markPlace(plot, placeOf(n, seen.positions), hexes.length, number(n));
    root.dataset.merges = n;
  }

  function move(to) {
    n = Math.max(0, Math.min(seen.merges, Math.round(to) || 0));
    exact.value = n;
    if (!due) requestAnimationFrame(draw); // as often as the screen shows something
    due = true;
  }
  const followRange = () => (range.value = Math.floor(placeOf(n, seen.positions)));
  range.oninput = () => move(seen.positions[range.value]);
  exact.oninput = () => {
    move(Number(exact.value));
    followRange();
  };

  drawWhenSeen(root, props, watch, async (next) => {
    const answer = await ask(server.boundaries({ ...next, text: next.text.toWellFormed() }));
    if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
    const atTheEnd = n === null || n === seen?.merges || seen?.name !== answer.name;
    [seen, wish] = [answer, { ...next, vocabulary: answer.name }];
    if (!controls.isConnected) root.replaceChildren(controls, counts, note, chips, plot, one.root);
    note.textContent = answer.note;
    range.max = answer.positions.length - 1;
    exact.max = answer.merges;
    range.disabled = exact.disabled = answer.merges === 0;
    move(atTheEnd ? answer.merges : n);
    followRange();
    await drawPlot(plot, answer.figure.data, answer.figure.layout);
    draw();
  });
}

function makeControls() {
  const [range, exact] = [make("input", "pg-range"), make("input", "pg-number")];
  Object.assign(range, { type: "range", min: 0, step: 1 });
  range.setAttribute("aria-label", "Merges applied");
  Object.assign(exact, { type: "number", min: 0, step: 1 });
  exact.setAttribute("aria-label", "Merges applied, exactly");
  const controls = make("div", "pg-scrub");
  controls.append(make("span", "", "bytes"), range, make("span", "", "all merges"), exact);
  return { range, exact, controls };
}

// The marker on the curve of tokens, which is there as soon as the curve is.
async function markPlace(plot, place, tokens, name) {
  if (plot.data) (await plotly()).restyle(plot, { x: [[place]], y: [[tokens]], text: [[name]] }, [1]);
}
