// All checkpoints: their family, a card each, one of them in detail, and the disk.

import { isVisible, make } from "../../../assets/dom.js";
import { ask, follow, latest } from "../../../assets/server.js";
import { actionRow, differences } from "./actions.js";
import { modelCard } from "./card.js";
import { modelDetails } from "./details.js";
import { diskTools } from "./disk.js";
import { taskProgress } from "./progress.js";
import { familyTree } from "./tree.js";

// Change what is in `root`; what had the focus there keeps it.
function keepFocus(root, change) {
  const key = /** @type {HTMLElement} */ (document.activeElement)?.dataset?.key;
  change();
  if (key) root.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

function shelfParts() {
  const [tree, cards, details] = [make("section"), make("div", "pg-model-cards"), make("section", "pg-details")];
  const [disk, message] = [make("div", "pg-tools"), make("p", "pg-note")];
  message.setAttribute("role", "status");
  details.setAttribute("aria-live", "polite");
  details.hidden = true;
  const say = (text, isError = false) => {
    message.textContent = text;
    message.classList.toggle("pg-error", isError);
  };
  return { tree, cards, details, disk, say, all: [message, tree, cards, details, disk] };
}

/**
 * What a press on the parts does, see `Shelf` in actions.js. `shown.news` is said as soon as the page shows it: who
 * presses the next button then means what is seen.
 */
function shelfActs({ props, server, trigger }, shown, say, refresh) {
  // The header's picker follows: `use` is chosen there, and only where it shows `instead`, if that is given.
  const tellHeader = (news) => {
    props.value = { ...news, told: Date.now() };
    trigger("chosen");
  };
  const shownAs = (text) => {
    shown.news = text;
    return refresh();
  };
  return {
    server,
    say,
    shownAs,
    act: async (call, then) => {
      const answer = await ask(call);
      if (answer.error) return say(answer.error, true);
      await then(answer);
    },
    use: (name) => {
      tellHeader({ use: name });
      say(`${name} is the model of every tab now.`);
    },
    moved: (news, name, text) => {
      tellHeader(news);
      shown.name = name;
      return shownAs(text);
    },
  };
}

/** @param {import("../../../assets/server.js").View} view */
export function mount(view) {
  const { element, props, watch, server } = view;
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-shelf");
  const { say, ...parts } = shelfParts();
  const shown = { name: "", news: "" };
  const [lookAtAll, lookAtOne] = [latest(), latest()];
  let all = null;

  const acts = shelfActs(view, shown, say, () => refresh());
  const progress = taskProgress(server, acts.act, () => refresh());
  const begun = (status) => {
    say("");
    progress.show(status);
  };
  const shelf = { ...acts, open: (name) => open(name), follow: begun };

  async function refresh() {
    if (!isVisible(root)) return;
    const found = await lookAtAll(server.shelf_overview({}));
    if (!found) return; // another look was asked for
    if (!parts.tree.isConnected) root.replaceChildren(...parts.all);
    if (found.error) return say(found.error, true);
    all = found;
    if (!all.cards.some(({ name }) => name === shown.name)) shown.name = all.cards[0]?.name ?? "";
    draw();
    progress.show(all.task);
    await open(shown.name);
    if (shown.news) say(shown.news);
    shown.news = "";
  }

  function draw() {
    keepFocus(root, () => {
      parts.tree.replaceChildren(make("h3", "", "The family"), familyTree(all.tree, shown.name, choose));
      const card = (one) => modelCard(one, one.name === shown.name, () => choose(one.name));
      parts.cards.replaceChildren(...all.cards.map(card));
      parts.disk.replaceChildren(...diskTools(all, shelf));
    });
  }

  function choose(name) {
    Object.assign(shown, { name, news: "" });
    say("");
    draw();
    open(name);
  }

  async function open(name) {
    const { details } = parts;
    if (!name) return void (details.hidden = true);
    const found = await lookAtOne(server.shelf_details({ name }));
    if (!found || name !== shown.name) return;
    details.hidden = false;
    if (found.error) return details.replaceChildren(make("h3", "", name), make("p", "pg-error", found.error));
    const { root: both, draw: drawDetails } = modelDetails(found, props.colors);
    const trouble = found.trouble ? [make("p", "pg-error", found.trouble)] : [];
    const tools = [actionRow(found, props, shelf), progress.root, both, differences(found, all.cards, shelf)];
    keepFocus(details, () => details.replaceChildren(make("h3", "", found.name), ...trouble, ...tools));
    drawDetails();
    details.dataset.name = found.name;
  }

  follow(props, watch, refresh);
  new IntersectionObserver(refresh).observe(root);
}
