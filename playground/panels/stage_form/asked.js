// What a form asks for when it has rested: what the training costs, what the model will see, and the command line.

import { isVisible, make } from "../../../assets/dom.js";
import { copyButton, fold } from "../../../assets/fold.js";
import { debounce, latest } from "../../../assets/server.js";
import { showPlan } from "./plan.js";
import { showPreview } from "./preview.js";

const RESTED = 400; // ms without a change before Python is asked: people type

// Something that is drawn into `root` when the form has rested; until then `root` is marked as stale.
function rested(root, wanted, call, show) {
  const last = latest();
  let turn = 0;
  const look = debounce(async () => {
    if (!wanted()) return;
    const mine = turn;
    const answer = await last(call());
    if (!answer || mine !== turn) return;
    show(root, answer);
    root.classList.remove("pg-stale");
    root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
  }, RESTED);
  return () => {
    turn++;
    root.classList.add("pg-stale");
    look();
  };
}

/**
 * @param {HTMLElement} form
 * @param {string} id of the form
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {() => Record<string, any>} values of the settings
 * @param {() => string} name of the new model
 */
export function askedParts(form, id, server, values, name) {
  const plan = Object.assign(make("div", "pg-plan"), { id: `${id}-plan` });
  plan.append(make("p", "pg-note", "Counting memory and time …"));
  const [see, run] = [fold("What the model will see", () => look()), fold("Command line", () => look())];
  [see.root.id, run.root.id] = [`${id}-see`, `${id}-command`];
  const seen = Object.assign(make("div", "pg-preview"), { id: `${id}-preview` });
  const command = make("code", "pg-command");
  see.body.append(seen);
  run.body.append(make("p", "pg-note", "The same training, from a terminal:"), command);
  run.body.append(copyButton(() => command.textContent));

  const inSight = () => isVisible(form);
  const planned = rested(plan, inSight, () => server.plan(values()), showPlan);
  const previewed = rested(
    seen,
    () => inSight() && see.isOpen(),
    () => server.preview(values()),
    showPreview,
  );
  const commanded = rested(
    command,
    () => inSight() && run.isOpen(),
    () => server.command({ values: values(), name: name() }),
    (node, { command: words, error }) => (node.textContent = words ?? error),
  );
  const look = () => {
    planned();
    if (see.isOpen()) previewed();
    if (run.isOpen()) commanded();
  };
  return { plan, folds: [see.root, run.root], look };
}
