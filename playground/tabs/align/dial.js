// The dial: between a model and its parent, and beyond. It is turned, and the same prompt is answered again at once.

import { about, button, choice, make } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";
import { busy } from "../../../assets/press.js";
import { ask, debounce, follow, latest } from "../../../assets/server.js";
import { textOfTokens } from "../../../assets/tokens.js";
import { pad, partsOf, slider } from "./dial_controls.js";
import { dialPicture } from "./dial_picture.js";
import { mixText } from "./dial_points.js";
import { promptBox } from "./prompt_box.js";

const REST = 40; // ms without a move until the model is mixed
const ABOUT =
  "weights = parent + a (child \u2212 parent). At 0 the parent answers, at 1 the child; below 0 it is led away from " +
  "what was learned, above 1 farther than it was taught. Nothing is trained: the weights are mixed in memory " +
  "(Ilharco et al. 2023). With a second child of the same parent the dial becomes a pad (Ram\u00e9 et al. 2023).";
const STEER_ABOUT =
  "The mean of what the model holds over answers that won your votes, less that over those that lost, is added to " +
  "what flows between two layers, at every token.";

// The mixed model's answer, as it comes.
function answerOf(server) {
  const [root, text, note] = [make("div", "pg-answer"), make("p", "pg-answer-text"), make("p", "pg-note")];
  const said = make("p", "pg-error");
  text.setAttribute("aria-live", "polite");
  root.append(text, said, note);
  let [turn, name] = [0, ""];

  /** @param {any} request */
  async function begin(request) {
    const mine = ++turn;
    const begun = await ask(server.turn_dial({ ...request, before: name }));
    if (mine !== turn) return;
    said.textContent = begun.error ?? "";
    if (begun.error) return void text.replaceChildren();
    name = begun.name;
    /** @type {string[]} */
    const hexes = [];
    for (let state = "writing"; state === "writing";) {
      const news = await ask(server.follow_answer({ known: { [name]: hexes.length } }));
      if (mine !== turn) return;
      const found = news.answers?.[name];
      if (!found) return void (said.textContent = news.error ?? "The answer is lost: turn the dial once more.");
      hexes.push(...found.tokens.map(([, , hex]) => hex));
      state = found.state;
      text.textContent = textOfTokens(hexes).trim();
      [note.textContent, said.textContent] = [found.note, found.error];
      root.dataset.state = state;
    }
    root.dataset.turn = String(mine);
  }
  return { root, begin };
}

// Steering by votes: how strong, and behind which layer.
function steeringOf({ strongest }, changed) {
  const part = fold("Steer by your votes");
  const note = make("p", "pg-note");
  const strength = slider("Strength", [-strongest, strongest], 0.5, changed);
  const layer = choice("behind layer", [], changed);
  const tools = make("div", "pg-dial-steer");
  tools.append(strength.root, layer);
  part.body.append(note, tools);
  const offer = ({ layers, votes, can_steer: can }) => {
    const options = Array.from({ length: layers }, (_, i) => new Option(String(i + 1), String(i)));
    layer.select.replaceChildren(...options);
    layer.select.value = String(Math.floor((layers - 1) / 2));
    strength.put(0);
    tools.hidden = !can;
    note.replaceChildren(
      can ? `A vector of ${votes} votes. ` : `There are ${votes} votes that prefer an answer, and a vector needs 10. `,
      about(STEER_ABOUT),
    );
  };
  const read = () => ({ layer: Number(layer.select.value), strength: Number(strength.input.value) });
  return { root: part.root, offer, read };
}

function keepOf(server, read) {
  const root = make("div", "pg-tools pg-dial-keep");
  const name = Object.assign(make("input", "pg-vote-name"), { maxLength: 60 });
  const said = make("span", "pg-note");
  name.setAttribute("aria-label", "Name of the model that is kept");
  said.setAttribute("role", "status");
  const press = button("Keep as a model", async () => {
    const found = await busy(press, "Saving …", ask(server.keep_dial({ ...read(), name: name.value })));
    said.className = found.error ? "pg-error" : "pg-note";
    said.textContent = found.error ?? `${found.kept} is among the models now.`;
  });
  root.append(name, press, said);
  const offer = (child) => {
    name.value = `${child}-mixed`;
    said.textContent = "";
  };
  return { root, offer };
}

// All that is turned, and where it stands.
function dialOf(props, changed) {
  const { range } = props;
  /** @type {any} */
  let there = null;
  let [second, off, at] = ["", /** @type {string[]} */ ([]), [1, 0]];
  const turn = (x, y) => {
    at = [x, y];
    [first.put(x), other.put(y), plane.put(x, y)];
    changed();
  };
  const first = slider("", range, 0.05, (x) => turn(x, at[1]));
  const other = slider("", range, 0.05, (y) => turn(at[0], y));
  const plane = pad(range, turn);
  const parts = partsOf((left) => {
    off = left;
    changed();
  });
  const steering = steeringOf(props, changed);
  const beside = choice("Second child", [], (name) => {
    second = name;
    arrange();
    turn(at[0], 0);
  });
  const ends = make("p", "pg-dial-ends");
  const root = make("div", "pg-dial-controls");
  root.append(first.root, ends, beside, other.root, plane.root, parts.root, steering.root);

  function arrange() {
    other.root.hidden = !second;
    plane.root.style.display = second ? "" : "none";
    first.call(`a of ${there.child}`);
    other.call(`a of ${second}`);
    plane.call(there.parent, [there.child, second]);
  }
  function offer(found) {
    there = found;
    [second, off] = ["", []];
    const options = [["", "none"], ...found.siblings.map((name) => [name, name])];
    beside.select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    beside.hidden = !found.siblings.length;
    const marks = [`0: ${found.parent}`, `1: ${found.child}`];
    ends.replaceChildren(...marks.map((text) => make("span", "", text)));
    parts.draw(found.layers);
    steering.offer(found);
    at = [1, 0];
    [first.put(1), other.put(0), plane.put(1, 0)];
    arrange();
  }
  const read = () => {
    const amounts = { [there.child]: at[0], ...(second ? { [second]: at[1] } : {}) };
    return { amounts, off, ...steering.read() };
  };
  return { root, offer, read, parent: () => there?.parent };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-dial");
  const [trouble, whole, right, mixedOf] = [make("p", "pg-note"), make("div", "pg-dial-body"), make("div"), make("p")];
  const last = latest();
  let [model, opened] = ["", ""];

  const write = () => {
    const setting = dial.read();
    mixedOf.textContent = mixText(dial.parent(), setting);
    answer.begin({ ...setting, prompt: prompt.read(), seed: 0 });
  };
  const turn = debounce(write, REST);
  const dial = dialOf(props, turn);
  const prompt = promptBox(turn);
  const answer = answerOf(server);
  const keep = keepOf(server, dial.read);
  const shown = dialPicture(props, server, dial.read);
  mixedOf.className = "pg-dial-mixed";
  right.append(prompt.root, mixedOf, answer.root, keep.root, shown.root);
  whole.append(dial.root, right);

  async function open() {
    if (!model || opened === model) return;
    const wanted = model;
    const found = await last(server.open_dial({ model: wanted }));
    if (!found) return;
    trouble.textContent = found.error ?? "";
    whole.hidden = Boolean(found.error);
    if (found.error) return;
    opened = wanted;
    dial.offer(found);
    prompt.offer(found.prompts);
    keep.offer(found.child);
    shown.clear();
    write();
    root.dataset.opened = wanted;
  }
  const part = fold("Dial: slide between a model and its parent", open);
  const lead = make("p", "pg-note", "Turn it, and the same prompt is answered again at once. ");
  lead.append(about(ABOUT));
  part.body.append(lead, trouble, whole);
  root.replaceChildren(part.root);
  follow(props, watch, ({ model: name }) => {
    model = name ?? "";
    part.root.firstElementChild.textContent = model
      ? `Dial: slide between ${model} and its parent`
      : "Dial: slide between a model and its parent";
    if (part.isOpen()) open();
  });
}
