// What the curves of a run mean, in words.

import { make } from "../../../assets/dom.js";

/** A folded list below the curves. */
export function meanings() {
  const root = make("details", "pg-meanings");
  const list = make("ul");
  root.hidden = true;
  root.append(make("summary", "", "What these curves say"), list);
  /**
   * @param {import("../../panels/live_run/panels.js").Panel[]} panels
   * @param {{name: string, text: string}} [loss] what this stage's loss means
   */
  const draw = (panels, loss) => {
    const said = panels.map(({ key, about }) => (key === "loss" ? loss : about)).filter(Boolean);
    if (said.length === list.childElementCount) return;
    root.hidden = !said.length;
    list.replaceChildren(
      ...said.map(({ name, text }) => {
        const item = make("li");
        item.append(make("strong", "", `${name}:`), ` ${text}`);
        return item;
      }),
    );
  };
  return { root, draw };
}
