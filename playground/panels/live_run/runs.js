// All runs of a tab: which one is looked at, how they differ, and what can be done to one.

import { button, duration, make, number } from "../../../assets/dom.js";
import { ask } from "../../../assets/server.js";
import { tellChanged } from "./looked_at.js";

/**
 * See playground/services/run_overview.py.
 * @typedef {{name: string, title: string, state: string, step: number, best: number | null, seconds: number | null,
 *   settings: Record<string, any>, own: boolean, active: boolean, trouble: string}} Row
 *   `trouble`: what of it cannot be read
 */

const words = (settings) =>
  Object.entries(settings)
    .map(([name, value]) => `${name} ${String(value).split("/").at(-1)}`)
    .join(", ");

const notes = (settings, trouble) => [words(settings), trouble].filter(Boolean).join("; ");

/**
 * The columns: title, what is read, and what they are sorted by.
 * @type {[string, (row: Row) => string, (row: Row) => any][]}
 */
export const COLUMNS = [
  ["Run", ({ name }) => name, ({ name }) => name],
  ["Stage", ({ title }) => title, ({ title }) => title],
  ["State", ({ state }) => state, ({ state }) => state],
  ["Steps", ({ step }) => number(step), ({ step }) => -step],
  ["Best loss", ({ best }) => best?.toFixed(3) ?? "–", ({ best }) => best ?? Infinity],
  ["Time", ({ seconds }) => (seconds ? duration(seconds) : "–"), ({ seconds }) => seconds ?? Infinity],
  ["Differs in", ({ settings, trouble }) => notes(settings, trouble), ({ settings }) => words(settings)],
];

/** @param {Row[]} rows @param {number} column -1 keeps their order @param {boolean} down */
export function sorted(rows, column, down) {
  if (column < 0) return rows;
  const key = COLUMNS[column][2];
  const compare = (a, b) => (key(a) < key(b) ? -1 : Number(key(a) > key(b)));
  return [...rows].sort((a, b) => (down ? compare(b, a) : compare(a, b)));
}

// --- a line of the table ---------------------------------------------------------------------------------------------

// The head stays while the lines are drawn anew, or what is pressed in that instant would be lost.
function headLine(turn) {
  const head = make("tr");
  const cells = COLUMNS.map(([title], i) => {
    const cell = make("th");
    cell.scope = "col";
    cell.append(button(title, () => turn(i), "pg-link"));
    return cell;
  });
  head.append(...cells, make("td"));
  const mark = (column, down) => {
    for (const [i, cell] of cells.entries())
      if (i === column) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
  };
  return { head, mark };
}

function nameButton(name, current, pick) {
  const [cell, pressed] = [make("td"), button(name, () => pick(name), "pg-link")];
  pressed.dataset.run = name;
  if (name === current) pressed.setAttribute("aria-current", "true");
  cell.append(pressed);
  return cell;
}

function nameField(name, rename) {
  const [cell, field] = [make("td"), Object.assign(make("input"), { value: name })];
  field.setAttribute("aria-label", `New name of ${name}`);
  field.onkeydown = ({ key }) => {
    if (key === "Enter") rename(name, field.value);
    if (key === "Escape") rename(name, name);
  };
  setTimeout(() => field.select());
  cell.append(field);
  return cell;
}

function toolsCell({ name, own, active }, rename, remove) {
  const cell = make("td", "pg-run-tools");
  const tools = { Rename: rename, Delete: remove };
  for (const [what, act] of own ? Object.entries(tools) : []) {
    const pressed = button(what, () => act(name), "pg-link");
    Object.assign(pressed, { disabled: active, ariaLabel: `${what} ${name}` });
    cell.append(pressed, " ");
  }
  return cell;
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
  const [table, body, none] = [make("table", "pg-table"), make("tbody"), make("p", "pg-note", "There is no run yet.")];
  /** @type {Row[]} */
  let rows = [];
  let [column, down, renaming] = [-1, false, ""];
  const { head, mark } = headLine((i) => {
    [column, down] = [i, column === i && !down];
    draw();
  });
  table.append(make("thead"), body);
  table.tHead.append(head);
  list.append(table, none, said);
  root.append(summary, list);

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
    if (typed.trim() === name) return draw();
    const { run } = await act(server.rename_run({ name, new: typed }));
    if (run && name === current()) look(run);
  };
  const remove = async (name) => {
    const { error } = await act(server.delete_run({ name }));
    if (error) return;
    said.textContent = `${name} is in the trash: Models can bring it back.`;
    if (name === current()) look(null);
  };

  const draw = () => {
    const ask = (name) => {
      renaming = name;
      draw();
    };
    const pick = (name) => {
      close();
      summary.focus();
      look(name);
    };
    const line = (/** @type {Row} */ row) => {
      const node = make("tr", row.name === current() ? "pg-run-here" : "");
      const name = row.name === renaming ? nameField(row.name, rename) : nameButton(row.name, current(), pick);
      const others = COLUMNS.slice(1).map(([, text]) => make("td", "", text(row)));
      node.append(name, ...others, toolsCell(row, ask, remove));
      return node;
    };
    mark(column, down);
    body.replaceChildren(...sorted(rows, column, down).map(line));
    [table.hidden, none.hidden] = [!rows.length, rows.length > 0];
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
