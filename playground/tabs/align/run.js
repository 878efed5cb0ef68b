// The live view of this tab: besides the curves, reward against KL, what the run shows of itself, what the curves mean.

import { make } from "../../../assets/dom.js";
import { ask } from "../../../assets/server.js";
import { mountRun } from "../../panels/live_run/run.js";
import { detailsOf } from "./details.js";
import { againstKl } from "./kl.js";
import { meanings } from "./meanings.js";

/** @param {import("../../../assets/server.js").View} view */
export const mount = (view) => mountRun(view, pictures(view.server));

/**
 * @param {import("../../../assets/server.js").View["server"]} server
 * @returns {import("../../panels/live_run/run.js").Besides}
 */
function pictures(server) {
  const [above, below] = [make("div", "pg-aligned"), make("div")];
  let [name, figure, about, offset] = ["", null, null, 0];
  let [main, details, words] = [null, null, null];
  let looked = new AbortController(); // at the run as it was begun, or restarted
  const anew = (newAbout) => {
    looked.abort();
    [about, offset, looked] = [newAbout, 0, new AbortController()];
  };
  return {
    above,
    below,
    begin: (newName, { alignment }) => {
      [name, figure] = [newName, alignment];
      anew(null);
      [main, details, words] = [againstKl(figure), detailsOf(figure), meanings()];
      above.replaceChildren(main.root, details.root);
      below.replaceChildren(words.root);
    },
    restart: (newAbout) => {
      anew(newAbout);
      details.clear();
    },
    update: async (curves) => {
      if (!about) return; // nothing has been written yet
      const { signal } = looked;
      const found = await ask(server.follow_details({ name, offset }));
      if (signal.aborted) return; // another run is looked at by now
      words.draw(curves.panels(), figure.losses[about.stage]);
      await main.draw(about, curves.log());
      if (found.error) return;
      offset = found.offset;
      await details.add(found.lines);
    },
  };
}
