// The heads as files: pictures, numbers, and a page of its own.

import { button, make } from "../../../assets/dom.js";
import { csv, download } from "../../../assets/files.js";
import { focus } from "../../../assets/head_focus.js";
import { plotly } from "../../../assets/plots.js";
import { ask } from "../../../assets/server.js";

/**
 * A row of buttons that save what is shown.
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {{value: () => any, buttons: () => HTMLElement[]}} grid
 * @param {{plot: HTMLElement, figure: () => any}} focused
 */
export function headFiles(server, grid, focused) {
  const [row, told] = [make("div", "pg-tools"), make("span", "pg-note")];
  const model = () => grid.value().key.model;
  const stem = () => `${model()}-layer${focus.layer + 1}-head${focus.head + 1}`;
  const saveGrid = () =>
    gridImage(grid.value(), grid.buttons()).toBlob((blob) => download(`${model()}-heads.png`, blob));
  const saveHead = async () =>
    (await plotly()).downloadImage(focused.plot, { format: "png", width: 1000, height: 900, filename: stem() });
  const saveNumbers = () => download(`${stem()}.csv`, csv(rowsOf(focused.figure())), "text/csv");
  const savePage = async () => {
    told.textContent = "Writing …";
    const { html, error } = await ask(server.standalone({ key: grid.value().key }));
    told.textContent = error ?? "";
    if (html) download(`${model()}-attention.html`, html, "text/html");
  };
  row.append(
    make("span", "pg-note", "Save:"),
    button("all heads, PNG", saveGrid),
    button("this head, PNG", saveHead),
    button("this head, CSV", saveNumbers),
  );
  if (server.standalone) row.append(button("a page of its own, HTML", savePage));
  row.append(told);
  return row;
}

/**
 * A head's weights as a table: a row a query, a column a key.
 * @param {{data: any[], names: string[]}} figure
 * @returns {any[][]}
 */
export const rowsOf = ({ data: [{ z }], names }) => [
  ["query \\ key", ...names],
  ...z.map((line, i) => [names[i], ...line]),
];

// All heads in one picture, with their layers and numbers.
function gridImage({ n_layer, n_head }, buttons) {
  const [cell, gap, edge] = [120, 8, 70];
  const canvas = make("canvas");
  canvas.width = edge + n_head * (cell + gap);
  canvas.height = 30 + n_layer * (cell + gap);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingEnabled = false;
  pen.fillStyle = "#1e293b";
  pen.font = "14px sans-serif";
  buttons.forEach((node, i) => {
    const [layer, head] = [Math.floor(i / n_head), i % n_head];
    if (layer === 0) pen.fillText(`head ${head + 1}`, edge + head * (cell + gap), 20);
    if (head === 0) pen.fillText(`layer ${layer + 1}`, 4, 30 + layer * (cell + gap) + cell / 2);
    pen.drawImage(node.firstChild, edge + head * (cell + gap), 30 + layer * (cell + gap), cell, cell);
  });
  return canvas;
}
