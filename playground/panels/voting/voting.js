// Voting, wherever the page asks for it: what is seen, the votes on their way, and the keys.

import { debounce, follow } from "../../../assets/server.js";
import { annotatorName, announceVotes, onAnnotatorName } from "../../../assets/votes.js";
import { listenForKeys } from "./keys.js";
import { makeScreen } from "./screen.js";
import { makeSession } from "./session.js";
import { memory, windowId } from "./this_window.js";

const RESTING = 600; // ms without a change of what is wished for until it is asked for: people type

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server, trigger }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-voting");
  const screen = makeScreen(
    root,
    props,
    (choice, isMuch) => session.vote(choice, screen.margin(choice, isMuch)),
    () => session.undo(),
    () => change({ ...props.value, ...screen.wish() }),
  );
  const session = makeSession({
    server,
    screen,
    kept: memory(props.prefix),
    voter: async () => ({ window: `${await windowId()}-${props.prefix}`, annotator: annotatorName() }),
    changed() {
      trigger("changed");
      announceVotes();
    },
  });
  listenForKeys(screen.frame, props.choices, (what, isMuch) =>
    what === "undo" ? session.undo() : session.vote(what, screen.margin(what, isMuch)),
  );

  let wished = "";
  const change = debounce((value) => {
    if (wished === JSON.stringify(value)) return;
    wished = JSON.stringify(value);
    session.change(value);
  }, RESTING);
  follow(props, watch, (given) => {
    const value = { ...given, ...screen.wish() };
    if (wished) return change(value);
    wished = JSON.stringify(value);
    root.replaceChildren(screen.frame);
    session.begin(value);
  });
  new IntersectionObserver(session.resume).observe(root);
  document.addEventListener("visibilitychange", session.resume);
  onAnnotatorName(session.ask);
}
