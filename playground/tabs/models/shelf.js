// All checkpoints: a list or their family tree, one of them in detail beside it, and the disk.

import { isVisible, make } from "../../../assets/dom.js";
import { ask, follow, latest } from "../../../assets/server.js";
import { actionRow, differences } from "./actions.js";
import { modelDetails } from "./details.js";
import { diskTools } from "./disk.js";
import { library } from "./library.js";
import { firstShown } from "./order.js";
import { taskProgress } from "./progress.js";

// Change what is in `root`; what had the focus there keeps it.
function keepFocus(root, change) {
  const key = /** @type {HTMLElement} */ (document.activeElement)?.dataset?.key;
  change();
  if (key) root.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

/**
 * A line below the buttons, which says what came of the last one.
 * @returns {{root: any, say: import("./actions.js").Say}}
 */
function messageLine() {
  const root = make("p", "pg-note pg-message");
  root.setAttribute("role", "status");
  const say = (text, isError = false) => {
    root.textContent = text;
    root.classList.toggle("pg-error", isError);
  };
  return { root, say };
}

const liveDetails = () => {
  const details = make("section", "pg-details");
  details.setAttribute("aria-live", "polite");
  return details;
};
const headOf = ({ name, trouble }) => [make("h3", "", name), ...(trouble ? [make("p", "pg-error", trouble)] : [])];

/**
 * What a press on the parts does, see `Shelf` in actions.js.
 * @returns {import("./actions.js").Shelf}
 */
function shelfActs({ props, server, trigger }, shown, { say, open, refresh, follow }) {
  // The header's picker follows: `use` is chosen there, and only where it shows `instead`, if that is given.
  const tellHeader = (news) => {
    shown.told = true;
    props.value = { ...news, told: Date.now() };
    trigger("chosen");
  };
  return {
    ...{ server, say, open, follow, refresh },
    act: async (call, then, report) => {
      const answer = await ask(call);
      if (answer.error) return report(answer.error, true);
      await then(answer);
    },
    use: (name) => {
      tellHeader({ use: name });
      say(`${name} is the model of every tab now.`);
    },
    moved: (news, name, tell) => {
      tellHeader(news);
      shown.name = name;
      return refresh(tell);
    },
  };
}

// Does the header show another model than before, and not because of a press here? Of the two answers to a press, what
// the header shows now and that it is `chosenHere`, either may come first; the second may find the first overwritten.
function isChosenAbove(shown, model, chosenHere) {
  const isNew = Boolean(model) && model !== shown.header;
  const isOurs = shown.told || chosenHere;
  if (isNew) shown.header = model;
  if (isNew || chosenHere) shown.told = false;
  return isNew && !isOurs;
}

/** @param {import("../../../assets/server.js").View} view */
export function mount(view) {
  const { element, props, watch, server } = view;
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-shelf");
  const [place, side, details] = [make("div", "pg-library"), make("section"), liveDetails()];
  const shown = { name: "", header: "", drawn: "", told: false, looks: 0, tell: null };
  const [lookAtAll, lookAtOne] = [latest(), latest()];
  const [{ root: message, say }, list] = [messageLine(), library((name) => choose(name))];
  const isMine = ({ what, name }) => what === "measure" && name === shown.name;
  const progress = taskProgress(server, isMine, () => refresh());
  const shelf = shelfActs(view, shown, {
    say,
    open: (name) => open(name, true),
    refresh: (tell) => refresh(tell),
    follow: (status) => progress.show(status, true),
  });
  const disk = diskTools(shelf);
  let all = null;
  side.append(list.root, disk.root);
  place.append(side, details);

  // `tell` is called once the page shows what was done, by the latest look only: an earlier one, still under way, drew
  // what was there before. Who presses the next button then means what is seen.
  async function refresh(tell = null) {
    const look = ++shown.looks;
    shown.tell = tell ?? shown.tell;
    if (!isVisible(root)) return;
    const found = await lookAtAll(server.shelf_overview({}));
    if (!found) return; // another look was asked for
    if (found.error) return root.replaceChildren(make("p", "pg-error", found.error));
    if (!place.isConnected) root.replaceChildren(list.tools, place);
    all = found;
    if (!all.cards.some(({ name }) => name === shown.name)) shown.name = firstShown(all.cards, shown.header);
    draw();
    await open(shown.name);
    progress.show(all.task);
    if (look !== shown.looks) return;
    shown.tell?.();
    shown.tell = null;
  }

  function draw() {
    keepFocus(root, () => {
      list.draw(all.cards, all.tree, shown.name);
      disk.draw(all);
    });
  }

  function forget() {
    say("");
    disk.say("");
    progress.clear();
    shown.tell = null;
  }

  async function choose(name) {
    shown.name = name;
    forget();
    draw();
    await open(name, true);
    // Where they stand below the list: the view goes to what was chosen.
    if (details.getBoundingClientRect().top > 0.7 * innerHeight) details.scrollIntoView({ behavior: "smooth" });
  }

  // What is drawn already stays, with what is typed or unfolded there, unless it is asked for `anew`.
  async function open(name, anew = false) {
    details.hidden = !name;
    if (!name) return;
    const found = await lookAtOne(server.shelf_details({ name }));
    if (!found || name !== shown.name) return;
    const seen = JSON.stringify([found, all.cards.map((one) => one.name)]);
    if (seen === shown.drawn && !anew) return;
    shown.drawn = seen;
    if (found.error) return details.replaceChildren(...headOf({ name, trouble: found.error }));
    const { root: both, draw: drawDetails } = modelDetails(found, props, server);
    const tools = [actionRow(found, props, shelf), message, progress.root];
    const parts = [...headOf(found), ...tools, both, differences(found, all.cards, shelf)];
    keepFocus(details, () => details.replaceChildren(...parts));
    drawDetails();
    details.dataset.name = found.name;
  }

  follow(props, watch, ({ model, chosenHere }) => {
    if (isChosenAbove(shown, model, chosenHere)) {
      shown.name = model;
      forget();
    }
    refresh();
  });
  new IntersectionObserver(() => refresh()).observe(root);
}
