// Comparisons: what is compared, how far that is, and what came of it, for methods and for reward models.

import { carefulButton } from "../../../assets/careful_button.js";
import { button, choice, isVisible, make } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { ask, pollSeen } from "../../../assets/server.js";
import { goodhartResult } from "./goodhart.js";
import { formOf, TEXTS } from "./method_form.js";
import { partText, stateText } from "./method_points.js";
import { methodsResult } from "./method_result.js";

const AGAIN = 700; // ms while one is going on

// How far one is: a line for each part of the work.
function progressOf(stopIt, resumeIt) {
  const [root, line, list] = [make("section"), make("p", "pg-tools"), make("ol", "pg-method-parts")];
  const state = make("span", "pg-note");
  state.setAttribute("role", "status");
  const stop = button("Stop", () => busy(stop, "Stopping …", stopIt()));
  const resume = button("Resume", () => busy(resume, "Starting …", resumeIt()));
  line.append(state, stop, resume);
  root.append(line, list);
  const show = (news) => {
    state.textContent = stateText(news);
    state.className = news.state === "failed" ? "pg-error" : "pg-note";
    stop.hidden = !news.running;
    resume.hidden = !news.resumable;
    list.hidden = news.state === "finished";
    const rows = news.parts.map((part) => {
      const [row, bar] = [make("li"), make("progress", "pg-progress")];
      Object.assign(bar, { max: part.total, value: part.ended ? part.total : part.done });
      bar.setAttribute("aria-label", part.title);
      row.append(make("span", "", part.title), bar, make("span", "pg-note", partText(part, news.running)));
      return row;
    });
    list.replaceChildren(...rows);
  };
  return { root, show };
}

// The kinds of comparison: a button each, and the form of the one that is chosen.
function controlsOf(kinds, server, { started, chosen }) {
  const [root, row] = [make("div", "pg-controls"), make("p", "pg-tools")];
  const forms = kinds.map((kind) => {
    const press = button(kind.title, () => {
      show(kind.name);
      chosen(kind.name);
    });
    row.append(press);
    return { press, kind: kind.name, ...formOf(kind, server, started) };
  });
  const show = (wanted) => {
    for (const { kind, press, root: form } of forms) {
      form.hidden = kind !== wanted;
      press.setAttribute("aria-pressed", String(kind === wanted));
    }
  };
  const open = async () => {
    const found = await ask(server.open_methods({}));
    for (const { fill } of forms) fill(found);
  };
  root.append(row, ...forms.map((form) => form.root));
  show(kinds[0].name);
  return { root, open, show };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-methods");
  let [name, kind, stop, wasVisible] = ["", "", () => {}, false];
  const [right, trouble, empty] = [make("div"), make("p", "pg-error"), make("p", "pg-note")];
  const act = async (call, after = () => look()) => {
    const { error = "" } = await ask(call);
    if (error) trouble.textContent = error;
    else after();
  };
  const kept = choice("Comparison", [], (chosen) => look(chosen));
  const remove = carefulButton("Delete", "Sure?", () => act(server.delete_methods({ name }), () => look("")));
  const head = make("p", "pg-tools");
  head.append(kept, remove);
  const progress = progressOf(
    () => act(server.stop_methods({ name }), () => {}),
    () => act(server.resume_methods({ name })),
  );
  const results = { methods: methodsResult(props), goodhart: goodhartResult(props) };
  const controls = controlsOf(props.kinds, server, {
    started: (made) => look(made),
    chosen: (wanted) => {
      kind = wanted;
      look("");
    },
  });
  const shownParts = [progress, ...Object.values(results)].map((part) => part.root);
  right.append(head, trouble, empty, ...shownParts);
  root.classList.add("pg-work");
  root.replaceChildren(controls.root, right);
  for (const node of [head, ...shownParts]) node.hidden = true;

  function showNames(names) {
    const some = names.filter(([, , of]) => !of || of === kind);
    const options = JSON.stringify(some);
    head.hidden = !some.length;
    if (kept.dataset.names !== options) {
      kept.dataset.names = options; // drawn anew, a list that is open would close
      kept.select.replaceChildren(...some.map(([value, text]) => new Option(text, value)));
    }
    kept.select.value = name;
  }

  async function show({ kept: names, name: found = name, shown, error = "" }) {
    trouble.textContent = error;
    name = found;
    if (shown && shown.kind !== kind) controls.show((kind = shown.kind));
    kind ||= props.kinds[0].name;
    if (names) {
      showNames(names);
      empty.hidden = Boolean(name);
      empty.textContent = TEXTS[kind].empty;
      for (const node of shownParts) node.hidden = true;
    }
    if (shown) {
      progress.root.hidden = results[kind].root.hidden = false;
      remove.hidden = shown.running;
      progress.show(shown);
      await results[kind].show(shown);
    }
    Object.assign(root.dataset, { shown: name, state: shown?.state ?? "", points: shown?.points.length ?? 0 });
  }

  function look(wanted = name) {
    stop();
    name = wanted;
    stop = pollSeen(root, async (signal) => {
      const news = await ask(server.follow_methods({ name, kind }));
      if (signal.aborted) return;
      await show(news);
      if (news.shown?.running || (news.error && !news.kept)) return AGAIN;
    });
  }
  new IntersectionObserver(() => {
    const visible = isVisible(root);
    if (visible && !wasVisible) {
      controls.open();
      look();
    }
    wasVisible = visible;
  }).observe(root);
}
