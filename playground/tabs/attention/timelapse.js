// A run's time-lapse: its heads at each of its snapshots, beside its loss.

import { about, button, choice, make, number } from "../../../assets/dom.js";
import { focus, focusedText, onFocus } from "../../../assets/head_focus.js";
import { draw, plotly } from "../../../assets/plots.js";
import { ask, latest, poll } from "../../../assets/server.js";
import { arrange, headButtons, headTips, labelHeads, paintHeads } from "./head_pictures.js";
import { moveVerticalLine } from "./vertical_line.js";

const ABOUT =
  "A run keeps snapshots on its way; step through them and watch heads find their job while the loss falls. When " +
  "the purple line rises, a head has learned to look at what followed last time (induction).";
const READY = "Drag the slider, or play. Heads are recognised on repeated random tokens; point at one for its scores.";
const PER_FRAME = 600; // ms

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, server }) {
  const root = element.querySelector(".pg-timelapse");
  const [problem, tools, state, plot] = [
    make("div"),
    make("div", "pg-tools"),
    make("p", "pg-note"),
    make("div", "pg-plot"),
  ];
  state.setAttribute("role", "status");
  const screen = frameScreen();
  const player = makePlayer((at) => show(at));
  root.replaceChildren(problem, tools, player.slider, state, sideBySide(screen.root, plot));
  const fetchRun = latest(problem);
  let [run, film, frames, loading] = [null, null, [], new AbortController()];

  const show = (at) => {
    if (!frames[at]) return;
    screen.show(frames[at], frameTitle(run, film.steps[at], frames[at]));
    moveVerticalLine(plot, film.figure.places[at]);
    Object.assign(root.dataset, { step: film.steps[at], frames: frames.length });
  };

  const load = async () => {
    loading.abort();
    loading = new AbortController();
    const { signal } = loading;
    player.pause();
    const found = await fetchRun(server.begin({ key: focus.key, run }));
    if (!found || signal.aborted) return;
    problem.replaceChildren();
    [film, run, frames] = [found, found.run, []];
    const picker = runPicker(found, (name) => {
      run = name;
      load();
    });
    tools.replaceChildren(picker, player.button, make("span", "pg-note", found.note), about(ABOUT));
    await draw(plot, found.figure.data, found.figure.layout);
    await fetchFrames(signal);
  };

  // All snapshots are looked at once, one after the other; from then on the slider needs nobody.
  const fetchFrames = async (signal) => {
    const { steps, figure } = film;
    player.wait(steps.length);
    for (const [i, step] of steps.entries()) {
      if (signal.aborted) return;
      state.textContent = `Looking at snapshot ${i + 1} of ${steps.length} …`;
      const frame = await ask(server.frame({ key: focus.key, run, step }));
      if (signal.aborted) return;
      if (frame.error) return state.replaceChildren(make("span", "pg-error", frame.error));
      frames.push(frame);
      const x = [figure.places[i]];
      await (await plotly()).extendTraces(plot, { x: [x, x], y: [[frame.loss], [frame.induction]] }, [2, 3]);
      if (signal.aborted) return;
      player.goTo(i);
    }
    player.ready();
    state.textContent = READY;
  };

  let text = "";
  onFocus(root, () => {
    if (text === focusedText()) return; // only another head
    const isSameModel = text && JSON.parse(text).model === focus.key.model;
    text = focusedText();
    if (!isSameModel) run = null;
    load();
  });
}

function runPicker({ runs, run }, choose) {
  const picker = choice(
    "Run",
    runs.map((name) => [name, name]),
    choose,
  );
  picker.select.value = run;
  return picker;
}

function sideBySide(...parts) {
  const both = make("div", "pg-two");
  both.append(
    ...parts.map((part) => {
      const side = make("div");
      side.append(part);
      return side;
    }),
  );
  return both;
}

// The heads of one frame under its title.
function frameScreen() {
  const [root, title, grid] = [make("div"), make("h3"), make("div")];
  root.append(title, grid);
  headTips(grid);
  let buttons = [];
  const show = (frame, text) => {
    if (buttons.length !== frame.n_layer * frame.n_head) {
      buttons = headButtons(frame, () => {});
      arrange(grid, buttons, frame);
    }
    paintHeads(buttons, frame.weights, frame.tokens.length, frame.scale);
    labelHeads(buttons, frame, "test");
    title.textContent = text;
  };
  return { root, show };
}

// A slider over the frames, and a button that moves it on.
function makePlayer(show) {
  const slider = make("input");
  Object.assign(slider, { type: "range", min: 0, max: 0, step: 1, value: 0, id: "timelapse-step" });
  slider.setAttribute("aria-label", "snapshot");
  let stop = null;
  const play = button("Play", () => (stop ? pause() : start()));
  const isAtEnd = () => Number(slider.value) >= Number(slider.max);
  const goTo = (at) => {
    slider.value = at;
    show(Number(slider.value));
  };
  const pause = () => {
    stop?.();
    [stop, play.textContent] = [null, "Play"];
  };
  const start = () => {
    let next = isAtEnd() ? 0 : Number(slider.value);
    play.textContent = "Pause";
    stop = poll(async () => {
      if (next > Number(slider.max)) return pause();
      goTo(next++);
      return PER_FRAME;
    });
  };
  slider.oninput = () => {
    pause();
    goTo(slider.value);
  };
  const wait = (frames) => {
    slider.max = frames - 1;
    play.disabled = true;
  };
  const ready = () => {
    play.disabled = false;
  };
  return { slider, button: play, goTo, pause, wait, ready };
}

/**
 * What a frame shows.
 * @param {string} run
 * @param {number} step
 * @param {{loss: number | null, heads: {test: {names: string[]}}}} frame
 */
export function frameTitle(run, step, { loss, heads }) {
  const { names } = heads.test;
  const named = `${names.filter(Boolean).length} of ${names.length} heads recognised`;
  return `${run}, after step ${number(step)}: loss on this text ${loss?.toFixed(2) ?? "–"}, ${named}`;
}
