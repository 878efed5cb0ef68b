// The live view of this tab: besides the curves, reward against KL, what the run shows of itself, what the curves mean.

import { make } from "../../../assets/dom.js";
import { mountRun } from "../../panels/live_run/run.js";
import { detailsOf } from "./details.js";
import { againstKl } from "./kl.js";
import { meanings } from "./meanings.js";

/** @param {import("../../../assets/server.js").View} view */
export const mount = (view) => mountRun(view, pictures());

/** @returns {import("../../panels/live_run/run.js").Besides} */
function pictures() {
  const [above, below] = [make("div", "pg-aligned"), make("div")];
  let [figure, about] = [null, null];
  let [main, details, words] = [null, null, null];
  return {
    above,
    below,
    begin: (_, { alignment }) => {
      [figure, about] = [alignment, null];
      [main, details, words] = [againstKl(figure), detailsOf(figure), meanings()];
      above.replaceChildren(main.root, details.root);
      below.replaceChildren(words.root);
    },
    restart: (newAbout) => {
      about = newAbout;
      details.clear();
    },
    update: async (curves, lines, answers) => {
      if (!about) return; // nothing has been written yet
      words.draw(curves.panels(), figure.losses[about.stage]);
      await main.draw(about, curves.log(), answers);
      await details.add(lines);
    },
  };
}
