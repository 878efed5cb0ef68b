// The controls of a form: of each setting, and of what is no setting.

import { button, make } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { ask } from "../../../assets/server.js";
import { addButton, control, frame, select } from "./fields.js";

// The controls of all settings, the preset, the name, and where to begin.
export function controlsOf(props, acts) {
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

/**
 * Put the controls where they belong: the data first, then size and name, the main settings; the others into `more`.
 * @param {any} props of the form
 * @param {ReturnType<typeof controlsOf>} parts
 * @param {HTMLElement} more
 */
export function laidOut({ fields, ids, stage }, parts, more) {
  const main = make("div", "pg-fields");
  const rootOf = (name) => parts.settings.get(name)?.root;
  const { size, name, begin, fit } = parts.framed;
  more.classList.add("pg-fields");
  more.append(begin, fit);
  for (const field of fields) (field.main ? main : more).append(rootOf(field.name));
  const data = rootOf(stage.data);
  if (data) main.prepend(data);
  const parent = main.querySelector(`#${ids.settings}-parent`);
  if (parent) main.prepend(parent);
  if (size) main.firstElementChild.after(size, name);
  else main.append(name);
  return main;
}

// The button with which a file of the person's becomes the data.
export function ownFile(id, upload, server, used, problem) {
  const chooser = Object.assign(make("input"), { type: "file" }); // never on the page: the button opens it
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
  return Object.assign(press, { id });
}

/**
 * The buttons at settings.
 * @param {Record<string, {text: string, id: string}>} tools
 * @param {ReturnType<typeof controlsOf>} parts
 * @param {(setting: string) => Promise<any>} use
 * @param {(error: string) => void} say
 */
export function addTools(tools, parts, use, say) {
  for (const [setting, { text, id }] of Object.entries(tools)) {
    const act = async () => {
      const { error = "" } = await busy(press, `${text} …`, ask(use(setting)));
      say(error);
      if (!error) document.dispatchEvent(new CustomEvent("pg-experiment"));
    };
    const press = addButton(parts.settings.get(setting).root, text, id, act);
  }
}
