// Small parts of the page. Whatever comes from a model or a person is put in as text (textContent), never as markup.

/**
 * @param {string} tag
 * @param {string} [className]
 * @param {string | number} [text]
 * @returns {any} the element
 */
export function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = String(text);
  return node;
}

/**
 * @param {string} text
 * @param {(event?: any) => unknown} onclick
 * @param {string} [className]
 * @returns {HTMLButtonElement}
 */
export function button(text, onclick, className = "pg-button") {
  const node = make("button", className, text);
  node.type = "button";
  node.onclick = onclick;
  return node;
}

/** A small (i) whose explanation opens over the page and moves nothing. @param {string} text */
export function about(text) {
  const explained = Object.assign(make("span", "pg-explained", text), { popover: "auto" });
  const opener = Object.assign(button("i", null, "pg-about"), { popoverTargetElement: explained });
  opener.setAttribute("aria-label", "About this part");
  const root = make("span");
  root.append(opener, explained);
  return root;
}

/** Is it in a tab that is open, in a window that is looked at? @param {HTMLElement} element */
export const isVisible = (element) => element.isConnected && element.offsetParent !== null && !document.hidden;

/** A number with separators. @param {number} n */
export const number = (n) => n.toLocaleString("en");

/** A time in words. @param {number} seconds */
export const duration = (seconds) =>
  seconds < 90
    ? `${Math.max(1, Math.round(seconds))} s`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} min`
      : seconds < 360_000
        ? `${(seconds / 3600).toFixed(1)} h`
        : `${number(Math.round(seconds / 86_400))} days`;

/** White space as signs. @param {string} text */
export const visibleSpaces = (text) => text.replaceAll(" ", "·").replaceAll("\t", "⇥").replaceAll("\n", "↵");

/** What heads a column of a table; without a title it is no heading. @param {string} title @param {number} [colSpan] */
export const headCell = (title, colSpan = 1) =>
  Object.assign(make(title ? "th" : "td", "", title), title ? { scope: "col", colSpan } : { colSpan });

/**
 * @param {string[]} titles of the columns
 * @param {any[][]} rows what each cell says
 * @param {string} [className]
 */
export function table(titles, rows, className = "") {
  const node = make("table", `pg-table ${className}`.trim());
  const line = (cells) => {
    const row = make("tr");
    row.append(...cells);
    return row;
  };
  node.append(line(titles.map((title) => headCell(title))));
  node.append(...rows.map((cells) => line(cells.map((text) => make("td", "", text)))));
  return node;
}

/** [name, value] pairs as large figures with their names below. @param {[string, string | number][]} pairs */
export function facts(pairs) {
  const list = make("dl", "pg-counts");
  for (const [name, value] of pairs) {
    const pair = make("div");
    pair.append(make("dd", "", value), make("dt", "", name));
    list.append(pair);
  }
  return list;
}

/**
 * A labelled <select>, which is its `select`; `options` are [value, text].
 * @param {string} label
 * @param {[string | number, string][]} options
 * @param {(value: string) => unknown} onchange
 */
export function choice(label, options, onchange) {
  const frame = make("label", "pg-choice", label);
  const select = make("select");
  for (const [value, text] of options) select.append(new Option(text, String(value)));
  select.onchange = () => onchange(select.value);
  select.setAttribute("aria-label", label);
  frame.append(select);
  return Object.assign(frame, { select });
}

/**
 * A labelled tick box, which is its `box`.
 * @param {string} label
 * @param {boolean} checked
 * @param {(checked: boolean) => unknown} onchange
 */
export function checkbox(label, checked, onchange) {
  const frame = make("label", "pg-choice");
  const box = make("input");
  Object.assign(box, { type: "checkbox", checked, onchange: () => onchange(box.checked) });
  frame.append(box, label);
  return Object.assign(frame, { box });
}

/**
 * Previous, next, and a page's number; `change(page)` is called with pages counted from 0.
 * @param {(page: number) => unknown} change
 * @returns {{root: HTMLElement, set: (page: number, pages: number) => void}}
 */
export function pager(change) {
  const root = make("nav", "pg-pager");
  root.setAttribute("aria-label", "Pages");
  let [page, pages] = [0, 1];
  const goTo = (to) => change(Math.max(0, Math.min(pages - 1, to)));
  const previous = button("‹ Previous", () => goTo(page - 1));
  const following = button("Next ›", () => goTo(page + 1));
  const field = make("input", "pg-number");
  Object.assign(field, { type: "number", min: 1, step: 1 });
  field.setAttribute("aria-label", "Page");
  field.onchange = () => goTo(Math.round(Number(field.value) || 1) - 1);
  const count = make("span");
  root.append(previous, "Page ", field, count, following);
  const set = (at, of) => {
    [page, pages] = [at, of];
    Object.assign(field, { value: at + 1, max: of });
    count.textContent = `of ${number(of)}`;
    [previous.disabled, following.disabled] = [at === 0, at >= of - 1];
    root.hidden = of < 2;
  };
  set(0, 1);
  return { root, set };
}
