// The heads as files: pictures, numbers, and a page of its own.

import { colorTable } from "../../../assets/colors.js";
import { button, make } from "../../../assets/dom.js";
import { bytesOf, csv, download } from "../../../assets/files.js";
import { display, focus } from "../../../assets/head_focus.js";
import { plotly } from "../../../assets/plots.js";
import { ask } from "../../../assets/server.js";
import { paintHead } from "./head_pictures.js";
import { ownMaximum, scaledColors } from "./weight_colors.js";

/**
 * A row of buttons that save what is shown.
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {HTMLElement} plot of the head in focus
 * @param {() => any} figure what is drawn there
 */
export function headFiles(server, plot, figure) {
  const told = make("span", "pg-error");
  const stem = () => `${focus.key.model}-layer${focus.layer + 1}-head${focus.head + 1}`;
  const saveGrid = () => gridImage(focus.grid).toBlob((blob) => download(`${focus.key.model}-heads.png`, blob));
  const saveHead = async () =>
    (await plotly()).downloadImage(plot, { format: "png", width: 1000, height: 900, filename: stem() });
  const saveNumbers = () => figure() && download(`${stem()}.csv`, csv(rowsOf(figure())), "text/csv");
  const savePage = async () => {
    const { html, error = "" } = await ask(server.standalone({ key: focus.key }));
    told.textContent = error;
    if (html) download(`${focus.key.model}-attention.html`, html, "text/html");
  };
  const row = make("div", "pg-tools");
  row.append(
    make("span", "pg-note", "Save:"),
    button("this head (PNG)", saveHead),
    button("this head (CSV)", saveNumbers),
    button("all heads (PNG)", saveGrid),
  );
  if (server.standalone) row.append(button("interactive web page (HTML)", savePage));
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

// All heads in one picture, with their layers and numbers, in the colours of the page.
function gridImage({ n_layer, n_head, weights, tokens, scale }) {
  const [cell, gap, edge] = [120, 8, 70];
  const [canvas, one] = [make("canvas"), make("canvas")];
  canvas.width = edge + n_head * (cell + gap);
  canvas.height = 30 + n_layer * (cell + gap);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingEnabled = false;
  pen.fillStyle = "#1e293b";
  pen.font = "14px sans-serif";
  const [bytes, colors] = [bytesOf(weights), colorTable(scale)];
  for (let i = 0; i < n_layer * n_head; i++) {
    const [layer, head] = [Math.floor(i / n_head), i % n_head];
    if (layer === 0) pen.fillText(`head ${head + 1}`, edge + head * (cell + gap), 20);
    if (head === 0) pen.fillText(`layer ${layer + 1}`, 4, 30 + layer * (cell + gap) + cell / 2);
    const own = scaledColors(colors, display.scaling, () => ownMaximum(bytes, i, tokens.length));
    paintHead(one, bytes, i, tokens.length, own);
    pen.drawImage(one, edge + head * (cell + gap), 30 + layer * (cell + gap), cell, cell);
  }
  return canvas;
}
