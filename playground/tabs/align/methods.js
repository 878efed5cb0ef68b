// Which method, when? What is compared, how far that is, and reward against KL for all methods in one picture.

import { cssColor } from "../../../assets/colors.js";
import { about, button, choice, duration, isVisible, make, table } from "../../../assets/dom.js";
import { fold } from "../../../assets/fold.js";
import { LEGEND_ABOVE, MARGIN_BELOW_LEGEND, picture } from "../../../assets/pictures.js";
import { busy } from "../../../assets/press.js";
import { ask, debounce, latest, pollSeen } from "../../../assets/server.js";
import { control } from "../../panels/stage_form/fields.js";
import { COLUMNS, partText, rowsOf, stateText, tracesOf } from "./method_points.js";

const [AGAIN, RESTED] = [700, 300]; // ms while one is going on, and until a plan is asked for after a change
const HEIGHT = 380; // pixels
const ABOUT =
  "All methods begin with the same model and are to please the same rule. It votes on pairs of answers, from which " +
  "DPO and the reward model of PPO learn; it rewards the answers of GRPO; and of n answers it picks the best " +
  "(best-of-n, where nothing is learned). Each training is its stage's own, and is measured at some of its steps.";
const PICTURE =
  "Up is better, and to the right is farther from the parent, where more is lost of what it could do: who is above " +
  "another at the same KL has paid less. Bars are 95 % intervals. KL of best-of-n is log n - (n - 1) / n, the most " +
  "that it can be. A point of reward is a hundredth of the answers; it is told for the last step of each method, not " +
  "for the one at which it looks best.";

// The settings, Compare, and how long that takes.
function controlsOf({ fields }, server, started) {
  const [plan, said, main] = [make("p", "pg-note"), make("p", "pg-error"), make("div", "pg-fields")];
  for (const node of [plan, said]) node.setAttribute("role", "status");
  const last = latest();
  const values = () => Object.fromEntries(fields.map(({ name }) => [name, parts.get(name).read()]));
  const look = debounce(async () => {
    const found = await last(server.plan_methods(values()));
    if (!found) return;
    plan.className = found.error ? "pg-error" : "pg-note";
    plan.textContent = found.error ?? `About ${duration(found.seconds)} on two cores that do nothing else.`;
  }, RESTED);
  const parts = new Map(fields.map((field) => [field.name, control(field, "methods", look, () => {})]));
  const more = fold("More settings");
  more.body.classList.add("pg-fields");
  for (const { name, main: isMain } of fields) (isMain ? main : more.body).append(parts.get(name).root);
  const press = Object.assign(
    button("Compare", () => begin(), "pg-button pg-primary"),
    { id: "methods-start" },
  );
  const begin = async () => {
    const found = await busy(press, "Starting …", ask(server.start_methods(values())));
    said.textContent = found.error ?? "";
    if (found.name) await started(found.name);
  };
  const root = make("div", "pg-form pg-controls");
  const [lead, start] = [make("p", "pg-note", "One parent, one rule, four methods "), make("div", "pg-start")];
  lead.append(about(ABOUT));
  start.append(press, plan, said);
  root.append(lead, main, start, more.root);
  let filled = false;
  const open = async () => {
    const found = await ask(server.open_methods({}));
    if (found.error) return (said.textContent = found.error);
    for (const [name, some] of Object.entries(found.choices)) parts.get(name).offer(some);
    if (!filled) for (const [name, value] of Object.entries(found.values)) parts.get(name).put(value);
    filled = true;
    look();
  };
  return { root, open };
}

// How far one is: a line for each part of the work.
function progressOf(stopIt) {
  const [root, line, list] = [make("section"), make("p", "pg-tools"), make("ol", "pg-method-parts")];
  const state = make("span", "pg-note");
  state.setAttribute("role", "status");
  const stop = button("Stop", () => busy(stop, "Stopping …", stopIt()));
  line.append(state, stop);
  root.append(line, list);
  const show = (news) => {
    state.textContent = stateText(news);
    state.className = news.state === "failed" ? "pg-error" : "pg-note";
    stop.hidden = !news.running;
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

// The picture and the table.
function resultOf({ methods, kl }) {
  const root = make("section", "pg-method-result");
  const shown = picture("", "", HEIGHT);
  const around = Object.assign(make("div", "pg-table-around"), { tabIndex: 0 });
  around.setAttribute("role", "region");
  around.setAttribute("aria-label", "what each method costs");
  const heading = shown.root.querySelector("h3");
  root.append(shown.root, around);
  const show = async (news) => {
    root.hidden = !news.points.length;
    if (root.hidden) return;
    heading.replaceChildren("Reward against KL ", about(PICTURE));
    shown.sentence.textContent = `The rule likes an answer that ${news.rule.title}. ${news.rule.about}`;
    await shown.draw(tracesOf(news.points, methods, cssColor("--body-text-color")), {
      ...{ uirevision: news.name, legend: LEGEND_ABOVE, margin: MARGIN_BELOW_LEGEND, hoverlabel: { align: "left" } },
      xaxis: { title: { text: kl }, rangemode: "tozero" },
      yaxis: {
        title: { text: `share of held-out answers: ${news.rule.title}` },
        ...{ tickformat: ".0%", range: [0, 1.03], ticklabelstandoff: 10 },
      },
    });
    const prompts = news.points[0].prompts;
    around.replaceChildren(
      table(COLUMNS, rowsOf(news, methods)),
      make("p", "pg-note", `Means over ${prompts} held-out prompts, in brackets their 95 % intervals.`),
    );
  };
  return { root, show };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-methods");
  let [name, stop, wasVisible] = ["", () => {}, false];
  const trouble = make("p", "pg-error");
  const empty = make(
    "p",
    "pg-note",
    "Nothing has been compared yet. Press Compare: the first points come within a minute.",
  );
  const kept = choice("Comparison", [], (chosen) => look(chosen));
  const progress = progressOf(() => ask(server.stop_methods({ name })));
  const result = resultOf(props);
  const right = make("div");
  const controls = controlsOf(props, server, look);
  right.append(kept, trouble, empty, progress.root, result.root);
  root.classList.add("pg-work");
  root.replaceChildren(controls.root, right);
  for (const node of [kept, progress.root, result.root]) node.hidden = true;

  async function show({ kept: names, name: found = name, shown, error = "" }) {
    trouble.textContent = error;
    name = found;
    if (names) {
      kept.hidden = names.length < 2;
      if (kept.dataset.names !== JSON.stringify(names)) {
        kept.dataset.names = JSON.stringify(names); // drawn anew, a list that is open would close
        kept.select.replaceChildren(...names.map(([value, text]) => new Option(text, value)));
      }
      kept.select.value = name;
      empty.hidden = Boolean(name);
      progress.root.hidden = result.root.hidden = !shown;
    }
    if (shown) {
      progress.show(shown);
      await result.show(shown);
    }
    Object.assign(root.dataset, { shown: name, state: shown?.state ?? "", points: shown?.points.length ?? 0 });
  }

  function look(wanted = name) {
    stop();
    name = wanted;
    stop = pollSeen(root, async (signal) => {
      const news = await ask(server.follow_methods({ name }));
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
