// The places in the corpus that excite a unit most: how far the search for them is, and what it has found.

import { button, make, number, visibleSpaces } from "../../../assets/dom.js";
import { focus } from "../../../assets/head_focus.js";
import { ask, pollSeen } from "../../../assets/server.js";

const EVERY = 400; // ms between two looks at a search that is going on

/**
 * @param {import("../../../assets/server.js").View["server"]} server
 * @param {() => unknown} arrived is called when something was found
 */
export function neuronSearch(server, arrived) {
  const root = make("div", "pg-neuron-search");
  const [title, state, bar, list] = [make("h3"), make("p", "pg-note"), make("progress", "pg-progress"), make("ol")];
  list.className = "pg-neuron-places";
  state.setAttribute("role", "status");
  const [start, stop] = [button("", () => act("start")), button("Stop", () => act("stop"))];
  const tools = make("div", "pg-tools");
  tools.append(start, stop);
  root.append(title, list, state, bar, tools);
  let [leave, shown, wasSearching] = [() => {}, null, false]; // what ends the poll; the unit that is shown

  const act = async (action) => draw(await ask(server.search_neurons({ key: focus.key, action })), true);

  const look = () => {
    leave();
    leave = pollSeen(root, async (signal) => {
      const status = await ask(server.search_neurons({ key: focus.key, action: "look" }));
      if (!signal.aborted) return draw(status);
    });
  };

  const draw = (status, asked = false) => {
    const isMine = status.name === focus.key.model;
    const isSearching = status.running && isMine;
    state.replaceChildren(...stateOf(status, isMine));
    root.dataset.state = isSearching ? "running" : status.found ? "found" : "none";
    [bar.max, bar.value, bar.hidden] = [status.total || 1, status.done ?? 0, !isSearching];
    [stop.hidden, start.hidden] = [!isSearching, Boolean(status.running)];
    start.textContent = status.found ? "Search again" : "Search the corpus";
    start.classList.toggle("pg-primary", !status.found);
    if (status.found && (!shown?.examples || (wasSearching && !isSearching))) arrived();
    wasSearching = isSearching;
    if (asked && status.running) look();
    return status.running ? EVERY : undefined;
  };

  /** Show the places that Python sent with a unit. @param {any} unit */
  const show = (unit) => {
    shown = unit;
    title.textContent = unit.examples
      ? `Places in ${unit.corpus} that excite it most, of ${number(unit.tokens_read)} tokens`
      : "Places in a corpus that excite it most";
    list.replaceChildren(...(unit.examples ?? []).map(placeOf));
  };
  return { root, look, show };
}

/** What there is to say of a search; another model's is not this one's. @returns {HTMLElement[]} */
function stateOf(status, isMine) {
  if (status.error && (isMine || !status.name)) return [make("span", "pg-error", status.error)];
  if (status.running && !isMine)
    return [make("span", "", `The neurons of ${status.name} are being searched just now.`)];
  const said = isMine ? [status.note, status.message && sentence(status)] : [];
  if (!status.found && !status.running)
    said.push("Which tokens excite it in the text that the model learned from? All units are looked at in one go.");
  return [make("span", "", said.filter(Boolean).join(" "))];
}

const sentence = ({ running, message, done, total }) =>
  running && total ? `${message}: ${number(done)} …` : running ? `${message} …` : message;

function placeOf({ before, token, after, activation }) {
  const line = make("li");
  line.append(make("span", "pg-neuron-strength", `${activation.toFixed(2)} `), visibleSpaces(before));
  line.append(make("mark", "", visibleSpaces(token)), visibleSpaces(after));
  return line;
}
