// One step of a lesson: a column of text with the question beside the panel in which prediction and outcome stand.

import { button, make } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { ask } from "../../../assets/server.js";
import { useSettings } from "../../panels/stage_form/settings.js";
import { choose, goTo, useText, waitFor } from "../../tour/places.js";
import { drawPart } from "./parts.js";
import { doneIn, keptOf } from "./place.js";
import { predictionInput } from "./prediction.js";

const DIFFERS =
  "What was measured here does not bear out what this step is about. The numbers decide: run it again, or with " +
  "another model.";

/**
 * @param {any} frame {lesson, step (its number), state, model, open, call, follow, redraw, looked}; see lesson.js
 * @returns {{root: HTMLElement, progress: (state: any) => void}}
 */
export function stepView(frame) {
  const { lesson, state } = frame;
  const step = lesson.steps[frame.step];
  const kept = keptOf(state.kept, lesson, step);
  const { shown } = kept;
  const [root, work, parts] = [make("div", "pg-lesson"), make("div", "pg-lesson-work"), make("div", "pg-lesson-parts")];
  const [asked, after, wide] = [make("div", "pg-lesson-asked"), make("div", "pg-lesson-after"), make("div")];
  const run = runPart(frame, step, kept);
  const input = predictionInput(step.prediction, {
    predicted: kept.prediction,
    outcome: shown?.outcome,
    change: run.predicted,
  });
  const source = make("p", "pg-note pg-lesson-source", `Source: ${step.source}`);

  asked.append(make("h4", "", step.title), ...paragraphs(step.text));
  asked.append(make("p", "pg-lesson-question", step.prediction.question));
  (input.wide ? wide : asked).append(input.root);
  after.append(run.root);
  if (shown) after.append(...explanation(shown, kept.model, source, frame, step));
  if (shown) parts.append(...shown.parts.map(drawPart));
  else if (step.looks) lookFirst(parts, frame, step);
  else if (!input.wide) parts.append(make("p", "pg-note", "What is measured will stand here, beside your prediction."));
  work.append(columnOf("pg-lesson-text", asked, after), columnOf("pg-lesson-panel", wide, parts));
  root.append(head(frame), work);
  run.progress(state);
  return { root, progress: (news) => run.progress(news) };
}

function columnOf(name, ...parts) {
  const column = make("div", name);
  column.append(...parts);
  return column;
}

const paragraphs = (text) => text.split("\n\n").map((paragraph) => make("p", "", paragraph));

// The lesson's name, and its steps.
function head({ lesson, step, state, open }) {
  const root = make("div", "pg-lesson-bar");
  const title = Object.assign(make("h3", "", lesson.title), { tabIndex: -1 });
  const back = button("All lessons", () => open(null));
  const steps = make("nav", "pg-lesson-steps");
  steps.setAttribute("aria-label", "Steps");
  lesson.steps.forEach((one, i) => {
    const done = Boolean(keptOf(state.kept, lesson, one).shown);
    const go = button(done ? `${i + 1} ✓` : String(i + 1), () => open(lesson, i), "pg-button pg-lesson-step");
    go.setAttribute("aria-label", `Step ${i + 1}: ${one.title}${done ? ", done" : ""}`);
    if (i === step) go.setAttribute("aria-current", "step");
    steps.append(go);
  });
  root.append(back, title, steps);
  return root;
}

// What stands there before anything was predicted: real panels, made when the step is opened.
async function lookFirst(place, { lesson, model, looked }, step) {
  place.append(make("p", "pg-note", "Looking at the model …"));
  const { parts, error } = await ask(looked({ lesson: lesson.id, step: step.id, model }));
  place.replaceChildren(...(error ? [make("p", "pg-error", error)] : parts.map(drawPart)));
}

// Run, stop, predict again; and how far a measurement is.
function runPart({ lesson, call, follow, redraw }, step, kept) {
  const [root, said] = [make("div", "pg-lesson-run"), make("p", "pg-note")];
  said.setAttribute("role", "status");
  const bar = Object.assign(make("progress", "pg-progress"), { max: 1 });
  bar.setAttribute("aria-label", "How far it is");
  const place = { lesson: lesson.id, step: step.id };
  const measure = async () => {
    if (await busy(run, "Starting …", call("start", place))) follow();
  };
  const again = async () => {
    if (await busy(anew, "Taking it back …", call("answer", { ...place, prediction: null }))) redraw();
  };
  const run = button("Run", measure, "pg-button pg-primary pg-lesson-start");
  const stop = button("Stop", () => call("stop"));
  const anew = button("Predict again", again);
  let predicted = kept.prediction !== undefined;
  run.disabled = !predicted;
  root.append(run, stop, anew, bar, said);

  const progress = ({ task }) => {
    const mine = task.lesson === lesson.id && task.step === step.id;
    const running = Boolean(task.running && mine);
    run.hidden = running || Boolean(kept.shown);
    anew.hidden = running || !kept.shown;
    stop.hidden = bar.hidden = !running;
    if (task.done === null || task.done === undefined) bar.removeAttribute("value");
    else bar.value = task.done;
    said.className = mine && task.error ? "pg-error" : "pg-note";
    said.textContent = mine ? task.error || (kept.shown ? "" : task.message) : "";
    if (!said.textContent && !predicted) said.textContent = "Predict first; then run it.";
    root.dataset.state = kept.shown ? "shown" : running ? "running" : predicted ? "predicted" : "asked";
  };
  return {
    root,
    progress,
    predicted: async (prediction) => {
      const state = await call("answer", { ...place, prediction });
      if (!state) return;
      predicted = true;
      run.disabled = false;
      progress(state);
    },
  };
}

// What came of it, and why; and where one goes from here.
function explanation(shown, measuredOn, source, { lesson, step: number, state, open, model }, step) {
  const said = make("div", "pg-lesson-said");
  said.setAttribute("role", "status");
  said.append(...paragraphs(shown.explanation));
  if (!shown.holds) said.append(make("p", "pg-lesson-differs", DIFFERS));
  if (step.on_model && measuredOn !== model) said.append(make("p", "pg-note", `Measured on ${measuredOn}.`));
  const tools = make("div", "pg-tools");
  const last = number === lesson.steps.length - 1;
  const finished = last && doneIn(state.kept, lesson) === lesson.steps.length;
  if (last) tools.append(button("All lessons", () => open(null), `pg-button${finished ? " pg-primary" : ""}`));
  else tools.append(button("Next step", () => open(lesson, number + 1), "pg-button pg-primary pg-lesson-next"));
  if (step.link) tools.append(button(step.link.text, () => leadTo(step.link)));
  return [said, source, tools];
}

async function leadTo({ tab, part, model, typed, stage, settings }) {
  if (model) await choose("model-picker", model);
  await goTo(tab, part);
  if (typed) await useText(typed, tab.toLowerCase());
  if (!stage) return;
  await waitFor(() => document.getElementById(`${stage}-start`)); // the form is there, with its own settings
  useSettings(stage, settings);
}
