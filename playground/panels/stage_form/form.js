// The form of a training: its settings, what it would cost, Start, and folded away what is seldom changed.

import { isVisible, make } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";
import { ask } from "../../../assets/server.js";
import { lookAt, onChanged } from "../live_run/looked_at.js";
import { askedParts } from "./asked.js";
import { addTools, controlsOf, laidOut, ownFile } from "./controls.js";
import { onSettings } from "./settings.js";
import { startPart } from "./start.js";

/** @typedef {import("../../../assets/server.js").View} View */

const option = ({ run, step }) => new Option(`${run}, step ${step}`, JSON.stringify({ run, step }));

/** @param {View & {upload: (file: File) => Promise<{path: string}>}} view */
export function mount({ element, props, server, upload }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-form");
  const { stage, ids, tools, depending } = props;
  const problem = make("p", "pg-error pg-form-said");
  problem.setAttribute("role", "status");
  const say = (/** @type {string} */ text) => (problem.textContent = text);

  const values = () => Object.fromEntries([...parts.settings].map(([name, { read }]) => [name, read()]));
  const fill = (/** @type {Record<string, any>} */ given) => {
    for (const [name, value] of Object.entries(given)) parts.settings.get(name)?.put(value);
  };
  const take = (/** @type {any} */ { error = "", values: given = {}, name = "" }) => {
    say(error);
    fill(given);
    if (name) parts.name.value = name;
    asked.look();
  };
  const offer = ({ choices = {}, replaced = {}, forks = [], error = "" }) => {
    if (error) return say(error);
    for (const [name, some] of Object.entries(choices)) parts.settings.get(name).offer?.(some);
    fill(replaced);
    const chosen = parts.begin.value;
    parts.begin.replaceChildren(new Option("the beginning", ""), ...forks.map(option));
    parts.begin.value = chosen;
    if (parts.begin.selectedIndex < 0) parts.begin.value = "";
  };
  const begin = () => (parts.begin.value ? JSON.parse(parts.begin.value) : { run: "", step: 0 });
  const refresh = async () => offer(await ask(server.offers(values())));
  const refreshed = () => refresh().then(asked.look);

  const parts = controlsOf(props, {
    changed: (name) => (name === stage.data || (name === "parent" && depending.length) ? refreshed() : asked.look()),
    renamed: () => asked.look(),
    preset: async (chosen) => take(await ask(server.preset({ preset: chosen }))),
    presetSetting: async () => take(await ask(server.preset({ preset: values()[props.presets.flag] }))),
    begin: async () => take(await ask(server.continue_run(begin()))),
    fit: async (hardware) => {
      if (hardware !== props.hardware[0]) take(await ask(server.fit_hardware({ values: values(), hardware })));
    },
    refresh,
  });
  const asked = askedParts(root, ids.form, server, values, () => parts.name.value);
  const start = async (/** @type {string} */ answer) => {
    say("");
    const [name, stem] = [parts.name.value, parts.size?.value ?? ""];
    return ask(server.start({ name, stem, begin: begin(), values: values(), answer }));
  };
  const starter = startPart(ids.form, start, ({ run, ...found }) => {
    take(found);
    lookAt(ids.view, run);
  });
  const more = fold("More settings");
  const main = laidOut(props, parts, more.body);
  if (stage.data) {
    const used = (path) => {
      fill({ [stage.data]: path });
      refreshed();
    };
    const own = ownFile(`${ids.form}-upload`, upload, server, used, say);
    parts.settings.get(stage.data).root.querySelector(".pg-field-head").append(own);
  }
  addTools(tools, parts, (setting) => server.use_tool({ setting, values: values() }), say);

  let [opened, wasVisible] = [false, false];
  const open = async () => {
    if (opened) return refreshed();
    const found = await ask(server.open_form({}));
    if (found.error) return root.replaceChildren(make("p", "pg-error", found.error));
    opened = true;
    root.replaceChildren(main, asked.plan, starter.root, problem, more.root, ...asked.folds);
    offer(found);
    take(found);
  };
  new IntersectionObserver(() => {
    const visible = isVisible(root);
    if (visible && !wasVisible) open();
    wasVisible = visible;
  }).observe(root);
  onChanged(() => opened && isVisible(root) && open());
  onSettings(stage.name, (given) => take({ values: given }));
}
