// Small parts of the page. What a model or a person wrote is put in as text, never as markup.

/**
 * @param {string} tag
 * @param {string} [className]
 * @param {string | number} [text]
 * @returns {any} the element
 */
export function make(tag, className = "", text = "") {
  /** @type {any} */
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = String(text);
  if (tag === "button") node.type = "button";
  return node;
}

/** A part of a text that can be pressed: lines break in it, as they do not in a button. @param {any} node */
export function pressable(node) {
  node.setAttribute("role", "button");
  node.tabIndex = 0;
  node.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    node.click();
  };
  return node;
}

/**
 * A labelled slider that shows its value.
 * @param {string} label
 * @param {[number, number, number]} range lowest, highest, step
 * @param {number} value
 * @param {(value: number) => unknown} onchange
 * @param {(value: number) => string} say the value as it is shown and read aloud
 */
export function slider(label, [min, max, step], value, onchange, say = String) {
  const [frame, input, shown] = [make("label", "", `${label} `), make("input"), make("output")];
  Object.assign(input, { type: "range", min, max, step, value, ariaLabel: label });
  const show = () => (shown.textContent = input.ariaValueText = say(Number(input.value)));
  input.oninput = () => {
    show();
    onchange(Number(input.value));
  };
  show();
  frame.append(input, shown);
  return frame;
}

/**
 * A labelled choice of numbers from 0 to `count` - 1, counted from 1 on the page.
 * @param {string} label
 * @param {number} count
 * @param {number} value
 * @param {(value: number) => unknown} onchange
 */
export function choice(label, count, value, onchange) {
  const [frame, select] = [make("label", "", `${label} `), make("select")];
  for (let i = 0; i < count; i++) select.append(new Option(String(i + 1), String(i), i === value, i === value));
  select.onchange = () => onchange(Number(select.value));
  frame.append(select);
  return frame;
}

/** A share in percent. @param {number} share */
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** White space as signs. @param {string} text */
export const visible = (text) => text.replaceAll(" ", "·").replaceAll("\n", "↵").replaceAll("\t", "⇥");
