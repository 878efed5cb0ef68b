// Heads switched off: what the model then says next, and how much worse it reads the text.

import { colorTable } from "../../../assets/colors.js";
import { about, button, make } from "../../../assets/dom.js";
import { csv, download } from "../../../assets/files.js";
import { focus, focusedName, focusedText, onFocus } from "../../../assets/head_focus.js";
import { ask, latest } from "../../../assets/server.js";
import { endable } from "./endable.js";
import { lossMap, summaryOf } from "./loss_map.js";
import { nextTokenTable } from "./next_token_table.js";

const ABOUT =
  "A head that is switched off adds nothing; if the model then reads this text worse, the head was of use here. " +
  "Press Measure every head, then switch off the one with the strongest orange and see what would come next.";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  const root = element.querySelector(".pg-switch-off");
  const result = make("div", "pg-distribution");
  const fetchResult = latest(result);
  const off = new Set(); // "layer,head"
  const toggle = (name) => {
    if (!off.delete(name)) off.add(name);
    show();
  };
  const measurement = measurementOf(server, colorTable(props.diverging), toggle, () => show());
  const thisOne = button("", () => toggle(`${focus.layer},${focus.head}`));
  const allOn = button("All on again", () => {
    off.clear();
    show();
  });
  const [tools, left, both] = [make("div", "pg-tools"), make("div"), make("div", "pg-two")];
  tools.append(thisOne, allOn, ...measurement.buttons, about(ABOUT));
  left.append(...measurement.parts);
  both.append(left, result);
  root.replaceChildren(tools, both);

  const show = async () => {
    thisOne.textContent = `Switch ${focusedName()} ${off.has(`${focus.layer},${focus.head}`) ? "on" : "off"}`;
    allOn.disabled = !off.size;
    measurement.show(off);
    const heads = [...off].map((name) => name.split(",").map(Number));
    const found = await fetchResult(server.without({ key: focus.key, heads, query: focus.query }));
    if (found) result.replaceChildren(...nextTokenTable(found, off.size));
  };

  let [shape, text] = ["", ""];
  onFocus(root, () => {
    if (shape !== String(focus.shape)) {
      shape = String(focus.shape);
      off.clear();
      measurement.layOut(...focus.shape);
    }
    if (text !== focusedText()) measurement.forget();
    text = focusedText();
    show();
  });
}

// How much each head is missed, measured layer by layer, on a map of all heads.
function measurementOf(server, colors, toggle, show) {
  const map = lossMap(colors, toggle);
  const state = make("p", "pg-note");
  state.setAttribute("role", "status");
  const bar = make("progress", "pg-progress");
  let [measured, running] = [[], null]; // [layer, head, change]; of the measurement under way, who can end it

  const heads = ["layer", "head", "change of the loss (nats per token)"];
  const save = () => download("loss-change-by-head.csv", csv([heads, ...measured]), "text/csv");
  const buttons = {
    measure: button("Measure every head", () => measure()),
    stop: button("Stop", () => running?.stop()),
    save: button("Save map (CSV)", save),
  };

  const forget = () => {
    running?.abandon();
    [measured, running] = [[], null];
    map.clear();
    state.textContent = "Click a cell to switch its head off; the colours come with a measurement.";
  };

  async function measure() {
    forget();
    const [n_layer] = focus.shape;
    const mine = (running = endable());
    bar.max = n_layer;
    show();
    const error = await measureLayers(mine, n_layer);
    if (mine.abandoned()) return; // another text, or another measurement, meanwhile
    running = null;
    state.replaceChildren(error ? make("span", "pg-error", error) : summaryOf(measured, mine.stopped()));
    show();
  }

  async function measureLayers(mine, n_layer) {
    for (let layer = 0; layer < n_layer && !mine.stopped(); layer++) {
      bar.value = layer;
      state.textContent = `Measuring layer ${layer + 1} of ${n_layer} …`;
      const { changes, error } = await ask(server.change_of_layer({ key: focus.key, layer }));
      if (mine.abandoned() || error) return error;
      changes.forEach((change, head) => measured.push([layer + 1, head + 1, change]));
      map.paint(measured);
    }
  }

  return {
    parts: [map.root, state, bar],
    buttons: Object.values(buttons),
    forget,
    layOut: (n_layer, n_head) => {
      map.layOut(n_layer, n_head);
      forget();
    },
    show: (off) => {
      map.press(off);
      [buttons.stop.disabled, buttons.save.disabled, bar.hidden] = [!running, !measured.length, !running];
    },
  };
}
