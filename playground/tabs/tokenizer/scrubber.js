// The merge scrubber. The server says once how many merges each boundary of the text survives; every position of the
// slider is then computed here.

import { about, button, facts, isVisible, make, number } from "../../../assets/dom.js";
import { draw as drawPlot, plotly } from "../../../assets/plots.js";
import { ask, drawWhenSeen, oneAtATime, poll } from "../../../assets/server.js";
import { chip, fill, passage, spacedHex } from "../../../assets/tokens.js";
import { colorsOf, figures, isJoinedBy, mergesOf, pauseBetween, piecesAfter, placeOf } from "./merges.js";
import { tokenDetails, wordOf } from "./token_details.js";

const ABOUT =
  "A vocabulary is a list of merges, learned one after the other: more merges, fewer tokens, a bigger embedding. " +
  "Drag from bytes to all merges and watch letters become syllables and words. Play goes from one merge that changes " +
  "this text to the next; the tokens that it makes are framed.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  const root = element.querySelector(".pg-scrubber");
  const { range, exact, play, back, on, controls } = makeControls();
  const [counts, note, plot, both] = [make("div"), make("p", "pg-note"), make("div", "pg-merge-curve"), make("div")];
  const [merge, one] = [mergeLine(server), tokenDetails(server)];
  both.className = "pg-two";
  both.append(counts, plot);
  let [seen, wish, hexes, steps, n, due] = [null, null, [], [], null, false];

  /** @returns {[string, string][]} */
  const describe = (i) => [
    ["token", wordOf(hexes[i])],
    ["bytes", spacedHex(hexes[i])],
    ["in this text", `${number(hexes.filter((hex) => hex === hexes[i]).length)}×`],
  ];
  const open = (i) => one.open({ vocabulary: wish.vocabulary, model: wish.model, hex: hexes[i] });
  const chips = passage("Tokens after these merges", describe, open);

  function draw() {
    due = false;
    const pieces = piecesAfter(n, seen);
    hexes = pieces.map(([start, end]) => seen.bytes.slice(2 * start, 2 * end));
    const colors = colorsOf(pieces);
    const made = pieces.map((piece) => isJoinedBy(n, piece, seen));
    const nodes = hexes.map((hex, i) => chip(hex, colors[i], true));
    nodes.forEach((node, i) => node.classList.toggle("pg-made", made[i]));
    fill(chips, nodes, hexes);
    merge.show(n, made.filter(Boolean).length, wish.vocabulary);
    counts.replaceChildren(facts(figures(n, hexes, seen)));
    range.setAttribute("aria-valuetext", `${number(n)} merges, ${number(hexes.length)} tokens`);
    markPlace(plot, placeOf(n, seen.positions), hexes.length, number(n));
    root.dataset.merges = n;
  }

  function move(to) {
    n = Math.max(0, Math.min(seen.merges, Math.round(to) || 0));
    exact.value = n;
    [back.disabled, on.disabled] = [!(n > 0), !steps.some((step) => step > n)];
    if (!due) requestAnimationFrame(draw); // as often as the screen shows something
    due = true;
  }
  const followRange = () => (range.value = Math.floor(placeOf(n, seen.positions)));
  const goTo = (to) => {
    move(to);
    followRange();
  };
  const next = () => steps.find((step) => step > n);
  const player = makePlayer(play, () => {
    if (!isVisible(root) || next() === undefined) return 0;
    goTo(next());
    return pauseBetween(steps.length);
  });
  const byHand = (act) => () => {
    player.pause();
    act();
  };
  play.onclick = () => {
    if (!player.isPlaying() && next() === undefined) goTo(0);
    player.toggle();
  };
  range.oninput = byHand(() => move(seen.positions[range.value]));
  exact.oninput = byHand(() => goTo(Number(exact.value)));
  back.onclick = byHand(() => goTo(steps.findLast((step) => step < n) ?? 0));
  on.onclick = byHand(() => goTo(next()));

  drawWhenSeen(root, props, watch, async (given) => {
    const answer = await ask(server.boundaries({ ...given, text: given.text.toWellFormed() }));
    player.pause();
    one.close(); // it may be of another text
    if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
    const atTheEnd = n === null || n === seen?.merges || seen?.name !== answer.name;
    [seen, wish, steps] = [answer, { ...given, vocabulary: answer.name }, mergesOf(answer)];
    if (!controls.isConnected) root.replaceChildren(controls, merge.root, chips, note, both, one.root);
    note.textContent = answer.note;
    range.max = answer.positions.length - 1;
    exact.max = answer.merges;
    range.disabled = exact.disabled = answer.merges === 0;
    play.disabled = steps.length === 0;
    goTo(atTheEnd ? answer.merges : n);
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
  const [play, back, on] = [button("Play", null), button("‹", null), button("›", null)];
  back.setAttribute("aria-label", "The merge before in this text");
  on.setAttribute("aria-label", "The next merge in this text");
  const controls = make("div", "pg-scrub");
  controls.append(
    play,
    back,
    on,
    make("span", "", "bytes"),
    range,
    make("span", "", "all merges"),
    exact,
    about(ABOUT),
  );
  return { range, exact, play, back, on, controls };
}

// A button that does `step` again and again, which says after how many milliseconds, or nothing at the end.
function makePlayer(play, step) {
  let stop = null;
  const pause = () => {
    stop?.();
    [stop, play.textContent] = [null, "Play"];
  };
  const start = () => {
    play.textContent = "Pause";
    stop = poll(async () => step() || pause());
  };
  return { pause, isPlaying: () => stop !== null, toggle: () => (stop ? pause() : start()) };
}

// What merge n joins, anywhere, and in how many places of this text.
function mergeLine(server) {
  const root = make("p", "pg-merge");
  let wanted = { n: 0, places: 0, vocabulary: "" };
  const complete = oneAtATime(async () => {
    const { n, places, vocabulary } = wanted;
    if (!n) return; // the slider is back at the bytes
    const { parts, token, error } = await ask(server.merge({ vocabulary, merge: n }));
    if (wanted.n !== n || wanted.vocabulary !== vocabulary) return complete();
    const words = error
      ? [` ${error}`]
      : [": ", ...parts.flatMap((hex, i) => [i ? " + " : "", word(hex)]), " → ", word(token)];
    root.replaceChildren(title(n), ...words, `, ${inText(places)}`);
    root.dataset.merge = n;
  });
  const show = (n, places, vocabulary) => {
    wanted = { n, places, vocabulary };
    if (n) return complete();
    root.replaceChildren("No merge yet: every byte is a token.");
  };
  return { root, show };
}

const title = (n) => make("strong", "", `Merge ${number(n)}`);
const word = (hex) => make("code", "", wordOf(hex));
const inText = (places) =>
  places ? `in ${places === 1 ? "1 place" : `${number(places)} places`} of this text` : "not in this text";

// The marker on the curve of tokens, which is there as soon as the curve is.
async function markPlace(plot, place, tokens, name) {
  if (plot.data) (await plotly()).restyle(plot, { x: [[place]], y: [[tokens]], text: [[name]] }, [1]);
}
