// The form of a training: its settings, what it would cost, Start, and folded away what is seldom changed.

import { button, isVisible, make } from "../../../assets/dom.js";
import { copyButton, fold } from "../../../assets/fold.js";
import { busy } from "../../../assets/press.js";
import { ask, debounce, latest } from "../../../assets/server.js";
import { lookAt, onChanged } from "../live_run/looked_at.js";
import { addButton, control, frame, select } from "./fields.js";
import { showPlan } from "./plan.js";
import { showPreview } from "./preview.js";
import { onSettings } from "./settings.js";
import { startPart } from "./start.js";

const RESTED = 400; // ms without a change before Python is asked: people type

/** @typedef {import("../../../assets/server.js").View} View */

/** Something that is asked for when the form has rested, and drawn into `root`, which is marked as stale meanwhile. */
function rested(root, wanted, call, show) {
  const last = latest();
  let turn = 0;
  const look = debounce(async () => {
    if (!wanted()) return;
    const mine = turn;
    const answer = await last(call());
    if (!answer || mine !== turn) return;
    show(root, answer);
    root.classList.remove("pg-stale");
    root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
  }, RESTED);
  return () => {
    turn++;
    root.classList.add("pg-stale");
    look();
  };
}

// The controls of all settings, the preset, the name, and where to begin.
function controlsOf(props, acts) {
  const { fields, ids, presets, hardware } = props;
  const own = presets?.own ?? false;
  const size = own ? select(presets.names, acts.preset) : null;
  const name = Object.assign(make("input"), { type: "text", spellcheck: false, oninput: acts.renamed });
  const begin = select([["", "the beginning"]], acts.begin);
  const fit = select(
    hardware.map((/** @type {string} */ one) => [one, one]),
    acts.fit,
  );
  if (size) size.value = presets.chosen;
  const settings = new Map(
    fields.map((field) => {
      const changed = presets && field.name === presets.flag ? acts.presetSetting : () => acts.changed(field.name);
      return [field.name, control(field, ids.settings, changed, acts.refresh)];
    }),
  );
  const framed = {
    size: size && frame(`${ids.form}-preset`, { title: "Size", name: presets.flag, help: presets.help }, size, size),
    name: frame(`${ids.form}-name`, { title: "Name", help: "What the new model will be called" }, name, name),
    begin: frame(
      `${ids.form}-begin`,
      { title: "Begin at", help: "Or go on from a saved step of an earlier run", folded: true },
      begin,
      begin,
    ),
    fit: frame(
      `${ids.form}-hardware`,
      { title: "Fit into", help: "Sets micro_batch_size and recompute so that it fits", folded: true },
      fit,
      fit,
    ),
  };
  return { size, name, begin, fit, settings, framed };
}

// The button with which a file of the person's becomes the data.
function ownFile(id, upload, server, used, problem) {
  const chooser = Object.assign(make("input"), { type: "file", hidden: true });
  const press = button("Own file …", () => chooser.click(), "pg-button pg-small");
  const pick = async () => {
    const [file] = chooser.files;
    chooser.value = "";
    if (!file) return;
    const kept = async () => {
      const { path } = await upload(file);
      return ask(server.use_file({ path }));
    };
    const { path, error } = await busy(press, "Reading …", kept());
    problem(error ?? "");
    if (path) used(path);
  };
  chooser.onchange = pick;
  const root = Object.assign(make("span"), { id });
  root.append(press, chooser);
  return root;
}

/** @param {View & {upload: (file: File) => Promise<{path: string}>}} view */
export function mount({ element, props, server, upload }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-form");
  const { stage, ids, tools, depending } = props;
  const problem = Object.assign(make("p", "pg-error"), { hidden: true });
  problem.setAttribute("role", "status");
  const say = (/** @type {string} */ text) => Object.assign(problem, { textContent: text, hidden: !text });
  let opened = false;

  const values = () => Object.fromEntries([...parts.settings].map(([name, { read }]) => [name, read()]));
  const fill = (/** @type {Record<string, any>} */ given) => {
    for (const [name, value] of Object.entries(given)) parts.settings.get(name)?.write(value);
  };
  const take = ({ error = "", values: given = {}, name }) => {
    say(error);
    fill(given);
    if (name) parts.name.value = name;
    replan();
  };
  const offer = ({ choices = {}, replaced = {}, forks = [], error = "" }) => {
    if (error) return say(error);
    for (const [name, some] of Object.entries(choices)) parts.settings.get(name).offer?.(some);
    fill(replaced);
    const chosen = parts.begin.value;
    const saved = forks.map(({ run, step }) => new Option(`${run}, step ${step}`, JSON.stringify({ run, step })));
    parts.begin.replaceChildren(new Option("the beginning", ""), ...saved);
    parts.begin.value = chosen;
    if (parts.begin.selectedIndex < 0) parts.begin.value = "";
  };
  const begin = () => (parts.begin.value ? JSON.parse(parts.begin.value) : { run: "", step: 0 });
  const refresh = async () => offer(await ask(server.offers(values())));

  const parts = controlsOf(props, {
    changed: (name) => {
      if (name === stage.data || (name === "parent" && depending.length)) refresh().then(replan);
      replan();
    },
    renamed: () => recommand(),
    preset: async (chosen) => take(await ask(server.preset({ preset: chosen }))),
    presetSetting: async () => take(await ask(server.preset({ preset: values()[props.presets.flag] }))),
    begin: async () => take(await ask(server.continue_run(begin()))),
    fit: async (hardware) => {
      if (hardware === props.hardware[0]) return;
      take(await ask(server.fit_hardware({ values: values(), hardware })));
    },
    refresh,
  });

  const plan = Object.assign(make("div", "pg-plan"), { id: `${ids.form}-plan` });
  plan.append(make("p", "pg-note", "Counting memory and time …"));
  const see = fold("What the model will see", () => replan());
  see.root.id = `${ids.form}-see`;
  const seen = Object.assign(make("div", "pg-preview"), { id: `${ids.form}-preview` });
  see.body.append(seen);
  const run = fold("Command line", () => recommand());
  run.root.id = `${ids.form}-command`;
  const command = make("code", "pg-command");
  run.body.append(make("p", "pg-note", "The same training, from a terminal:"), command);
  run.body.append(copyButton(() => command.textContent));
  const more = fold("More settings");

  const inSight = () => isVisible(root);
  const planning = rested(plan, inSight, () => server.plan(values()), showPlan);
  const previewing = rested(
    seen,
    () => inSight() && see.isOpen(),
    () => server.preview(values()),
    showPreview,
  );
  const recommand = rested(
    command,
    () => inSight() && run.isOpen(),
    () => server.command({ values: values(), name: parts.name.value }),
    (node, { command: words, error }) => (node.textContent = words ?? error),
  );
  const replan = () => {
    planning();
    if (see.isOpen()) previewing();
    if (run.isOpen()) recommand();
  };
  const starter = startPart(
    ids.form,
    async (answer) => {
      say("");
      const stem = parts.size?.value ?? "";
      const request = { name: parts.name.value, begin: begin(), values: values(), stem, answer };
      return ask(server.start(request));
    },
    ({ run: name, ...found }) => {
      take(found);
      lookAt(ids.view, name);
    },
  );

  const main = make("div", "pg-fields");
  for (const { name, main: inMain } of props.fields) (inMain ? main : more.body).append(parts.settings.get(name).root);
  const { size, name, begin: beginning, fit } = parts.framed;
  more.body.prepend(beginning, fit);
  more.body.classList.add("pg-fields");
  if (stage.data) {
    const used = async (path) => {
      fill({ [stage.data]: path });
      await refresh();
      replan();
    };
    const there = parts.settings.get(stage.data).root;
    there.querySelector(".pg-field-head").append(ownFile(`${ids.form}-upload`, upload, server, used, say));
    main.prepend(there);
  }
  const first = main.querySelector(`#${ids.settings}-parent`);
  if (first) main.prepend(first);
  if (size) main.children[0].after(size, name);
  else main.append(name);
  for (const [setting, { text, id }] of Object.entries(tools)) {
    const act = async () => {
      const { error = "" } = await busy(press, `${text} …`, ask(server.use_tool({ setting, values: values() })));
      say(error);
      if (!error) document.dispatchEvent(new CustomEvent("pg-experiment"));
    };
    const press = addButton(parts.settings.get(setting).root, text, id, act);
  }
  const open = async () => {
    if (!opened) {
      const found = await ask(server.open_form({}));
      if (found.error) return root.replaceChildren(make("p", "pg-error", found.error));
      opened = true;
      root.replaceChildren(main, plan, starter.root, problem, more.root, see.root, run.root);
      fill(found.values);
      parts.name.value = found.name;
      offer(found);
    } else await refresh();
    replan();
  };
  let wasVisible = false;
  new IntersectionObserver(() => {
    const visible = inSight();
    if (visible && !wasVisible) open();
    wasVisible = visible;
  }).observe(root);
  onChanged(() => opened && inSight() && open());
  onSettings(stage.name, (given) => take({ values: given }));
}
