// All runs of a tab: which one is looked at, how they differ, and what can be done to one.

import { button, duration, headCell, make, number } from "../../../assets/dom.js";
import { ask } from "../../../assets/server.js";
import { tellChanged } from "./looked_at.js";

/**
 * See playground/services/run_overview.py.
 * @typedef {{name: string, title: string, state: string, step: number, best: number | null, seconds: number | null,
 *   settings: Record<string, any>, own: boolean, active: boolean}} Row
 */

const words = (settings) =>
  Object.entries(settings)
    .map(([name, value]) => `${name} ${String(value).split("/").at(-1)}`)
    .join(", ");

/** The columns: title, what is read, and what they are sorted by. @type {[string, (row: Row) => string, (row: Row) => any][]} */
export const COLUMNS = [
  ["Run", ({ name }) => name, ({ name }) => name],
  ["Stage", ({ title }) => title, ({ title }) => title],
  ["State", ({ state }) => state, ({ state }) => state],
  ["Steps", ({ step }) => number(step), ({ step }) => -step],
  ["Best loss", ({ best }) => best?.toFixed(3) ?? "–", ({ best }) => best ?? Infinity],
  ["Time", ({ seconds }) => (seconds ? duration(seconds) : "–"), ({ seconds }) => seconds ?? Infinity],
  ["Differs in", ({ settings }) => words(settings), ({ settings }) => words(settings)],
];

/** @param {Row[]} rows @param {number} column -1 keeps their order @param {boolean} down */
export function sorted(rows, column, down) {
  if (column < 0) return rows;
  const key = COLUMNS[column][2];
  const compare = (a, b) => (key(a) < key(b) ? -1 : Number(key(a) > key(b)));
  return [...rows].sort((a, b) => (down ? compare(b, a) : compare(a, b)));
}

/**
 * @param {string} id
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {() => string} current the run that is looked at
 * @param {(run: string | null) => unknown} look
 */
export function runPicker(id, server, current, look) {
  const root = Object.assign(make("details", "pg-run-picker"), { id });
  const [summary, list, said] = [make("summary", "pg-button"), make("div", "pg-run-list"), make("p", "pg-error")];
  said.setAttribute("role", "status");
  root.append(summary, list);
  /** @type {Row[]} */
  let rows = [];
  let [column, down, renaming] = [-1, false, ""];

  const close = () => {
    root.open = false;
    renaming = "";
  };
  const act = async (call) => {
    const answer = await ask(call);
    said.textContent = answer.error ?? "";
    await fill();
    if (!answer.error) tellChanged();
    return answer;
  };
  const rename = async (name, typed) => {
    renaming = "";
    if (typed === name) return draw();
    const { run } = await act(server.rename_run({ name, new: typed }));
    if (run && name === current()) look(run);
  };
  const remove = async (name) => {
    const { error } = await act(server.delete_run({ name }));
    if (error) return;
    said.textContent = `${name} is in the trash: Models can bring it back.`;
    if (name === current()) look(null);
  };

  const nameCell = (/** @type {Row} */ row) => {
    const cell = make("td");
    if (renaming === row.name) {
      const field = Object.assign(make("input"), { value: row.name });
      field.setAttribute("aria-label", `New name of ${row.name}`);
      field.onkeydown = ({ key }) => {
        if (key === "Enter") rename(row.name, field.value);
        if (key === "Escape") ((renaming = ""), draw());
      };
      field.onblur = () => renaming && rename(row.name, field.value);
      setTimeout(() => field.select());
      cell.append(field);
      return cell;
    }
    const pick = () => {
      close();
      summary.focus();
      look(row.name);
    };
    const pressed = button(row.name, pick, "pg-link");
    pressed.dataset.run = row.name;
    if (row.name === current()) pressed.setAttribute("aria-current", "true");
    cell.append(pressed);
    return cell;
  };
  const toolsCell = ({ name, own, active }) => {
    const cell = make("td", "pg-run-tools");
    if (!own) return cell;
    const change = button("Rename", () => ((renaming = name), draw()), "pg-link");
    const drop = button("Delete", () => remove(name), "pg-link");
    for (const [one, what] of [
      [change, "Rename"],
      [drop, "Delete"],
    ])
      Object.assign(one, { disabled: active, ariaLabel: `${what} ${name}` });
    cell.append(change, " ", drop);
    return cell;
  };
  const draw = () => {
    const head = make("tr");
    head.append(
      ...COLUMNS.map(([title], i) => {
        const cell = headCell("");
        const turn = () => ([column, down] = [i, column === i && !down]);
        cell.append(button(title, () => (turn(), draw()), "pg-link"));
        if (i === column) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        return cell;
      }),
      make("td"),
    );
    const lines = sorted(rows, column, down).map((row) => {
      const line = make("tr", row.name === current() ? "pg-run-here" : "");
      const others = COLUMNS.slice(1).map(([, text]) => make("td", "", text(row)));
      line.append(nameCell(row), ...others, toolsCell(row));
      return line;
    });
    const table = make("table", "pg-table");
    table.append(head, ...lines);
    list.replaceChildren(...(rows.length ? [table] : [make("p", "pg-note", "There is no run yet.")]), said);
  };
  const fill = async () => {
    const { runs = [], error } = await ask(server.list_runs({}));
    if (error) said.textContent = error;
    rows = runs;
    draw();
  };

  root.ontoggle = () => {
    if (!root.open) return;
    said.textContent = "";
    fill();
  };
  root.onkeydown = ({ key }) => {
    if (key !== "Escape" || renaming) return;
    close();
    summary.focus();
  };
  document.addEventListener("pointerdown", ({ target }) => {
    if (root.open && !root.contains(/** @type {Node} */ (target))) close();
  });
  return { root, label: () => (summary.textContent = current() || "runs") };
}
