// What a person does with the curves of a run: smooth, compare with earlier runs, save.

import { cssColor } from "../../../assets/colors.js";
import { button, checkbox, make } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { bytesOf, download } from "../../../assets/files.js";
import { plotly } from "../../../assets/plots.js";
import { ask } from "../../../assets/server.js";
import { extendLog, newLog } from "./log.js";

/** @typedef {import("./curves.js").Options} Options */

function smoothingSlider(options, changed) {
  const frame = make("label", "pg-choice", "smoothing");
  const slider = make("input");
  const shown = make("output", "pg-number-shown", options.smoothing.toFixed(2));
  const title = "0 shows every step as it was";
  Object.assign(slider, { type: "range", min: 0, max: 0.99, step: 0.01, value: options.smoothing, title });
  slider.oninput = () => {
    shown.textContent = Number(slider.value).toFixed(2);
    changed({ smoothing: Number(slider.value) });
  };
  frame.append(slider, shown);
  return frame;
}

// --- earlier runs ---------------------------------------------------------------------------------------------------

/** A colour that none of the others has, as long as there is one. @param {Options} options */
function freeColor({ colors, others }) {
  const taken = [...others.values()].map(({ color }) => color);
  return colors.find((free) => !taken.includes(free)) ?? colors[taken.length % colors.length];
}

// A list that stays open while one chooses from it.
function unfoldingList(fill) {
  const details = make("details", "pg-others");
  const summary = make("summary", "pg-button");
  const list = make("div", "pg-others-list");
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "runs to compare with");
  details.append(summary, list);
  details.ontoggle = () => details.open && fill();
  details.onkeydown = ({ key }) => {
    if (key !== "Escape") return;
    details.open = false;
    summary.focus();
  };
  document.addEventListener("click", ({ target }) => !details.contains(target) && (details.open = false));
  return { details, summary, list };
}

// A list to choose other runs from; `current()` is the run that they are laid over.
function comparison(current, options, server, draw, say, keep) {
  const { details, summary, list } = unfoldingList(() => fill());

  const label = () => {
    const { size } = options.others;
    summary.textContent = size ? `compared with ${size}` : "compare with …";
  };

  const lay = async (name, wanted) => {
    if (wanted) {
      const found = await ask(server.run_history({ name }));
      if (found.error) return say(found.error);
      options.others.set(name, { log: extendLog(newLog(), found), color: freeColor(options) });
    } else options.others.delete(name);
    label();
    keep({ others: [...options.others.keys()] });
    draw();
  };
  const restore = async (names) => {
    const { names: there = [] } = await ask(server.other_runs({ name: current() }));
    for (const name of names.filter((one) => there.includes(one))) await lay(name, true);
  };

  const fill = async () => {
    const { names = [], error } = await ask(server.other_runs({ name: current() }));
    if (error) return say(error);
    const box = (name) => checkbox(name, options.others.has(name), (wanted) => lay(name, wanted));
    list.replaceChildren(...names.map(box));
    if (!names.length) list.append(make("p", "pg-note", "There is no other run yet."));
  };

  label();
  return Object.assign(details, { label, restore });
}

// --- saving ---------------------------------------------------------------------------------------------------------

// A file of a long run is too large for one answer.
async function fetchParts(server, what) {
  const parts = [];
  let [next, file] = [{ key: "", offset: 0 }, ""];
  while (next) {
    const found = await ask(server.export_run({ ...what, ...next }));
    if (found.error) return found;
    parts.push(bytesOf(found.content));
    ({ next, file } = found);
  }
  return { file, parts };
}

async function saveFile(pressed, server, name, kind, say) {
  const { file, parts, error } = await busy(pressed, "Saving …", fetchParts(server, { name, kind }));
  say(error ?? "");
  if (error) return;
  download(file, new Blob(parts, { type: kind === "csv" ? "text/csv" : "application/zip" }));
}

const TITLE_HEIGHT = 34; // of a picture, which says whose it is

// As they are seen, zoom included, on the page's background: what is transparent is unreadable elsewhere. Each plot is
// a picture of its own.
async function savePictures(plots, name) {
  const background = cssColor("--body-background-fill") || "#fff";
  const library = await plotly();
  for (const [i, plot] of plots.filter((one) => one.data && !one.hidden).entries()) {
    const { margin, height } = plot.layout;
    const layout = {
      ...plot.layout,
      ...{ title: { text: name, font: { size: 15 } }, paper_bgcolor: background, plot_bgcolor: background },
      ...{ margin: { ...margin, t: margin.t + TITLE_HEIGHT }, height: height + TITLE_HEIGHT },
    };
    const size = { width: plot.clientWidth, height: layout.height };
    const filename = i ? `${name}-more` : name;
    await library.downloadImage({ data: plot.data, layout }, { format: "png", scale: 2, filename, ...size });
  }
}

const TENSORBOARD = "All metrics and samples. Unpack it and run: tensorboard --logdir FOLDER";

/**
 * One line of controls below the curves; what is chosen is kept. A problem stands in it, beside the buttons.
 * @param {() => string} current the name of the run
 * @param {Options} options what is chosen
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {any[]} plots
 * @param {() => unknown} draw
 * @param {(changes: Record<string, any>) => void} keep
 */
export function runTools(current, options, server, plots, draw, keep) {
  const [tools, problem] = [make("div", "pg-tools"), make("p", "pg-error pg-tools-said")];
  problem.setAttribute("role", "status");
  const say = (/** @type {string} */ text) => (problem.textContent = text);
  const change = (changes) => {
    Object.assign(options, changes);
    keep(changes);
    draw();
  };
  const others = comparison(current, options, server, draw, say, keep);
  const save = (text, title, act) => {
    const pressed = Object.assign(
      button(text, () => act(pressed), "pg-button pg-small"),
      { title },
    );
    return pressed;
  };
  const saveAs = (kind) => (pressed) => saveFile(pressed, server, current(), kind, say);
  const saving = make("span", "pg-saving");
  saving.append(
    save("CSV", "All metrics of all steps, as a table", saveAs("csv")),
    save("PNG", "The curves as they are seen here", () => savePictures(plots, current())),
    save("TensorBoard", TENSORBOARD, saveAs("tensorboard")),
  );
  const option = (label, name) => checkbox(label, options[name], (checked) => change({ [name]: checked }));
  const choices = [smoothingSlider(options, change), option("log steps", "logX"), option("log loss", "logY")];
  tools.append(...choices, others, saving, problem);
  return Object.assign(tools, { label: others.label, restore: others.restore });
}
