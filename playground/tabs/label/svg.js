// Small charts: elements of a picture, and the texts in it.

/** @param {string} tag @param {Record<string, string | number>} attributes @param {...(Node | string)} children */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** @param {string | number} text @param {Record<string, string | number>} at @param {string} [anchor] */
export const label = (text, at, anchor = "middle") =>
  svg("text", { ...at, class: "pg-course-text", "text-anchor": anchor }, String(text));
