// Guidelines: by what is voted, in a person's own words.

import { isVisible } from "../../../assets/dom.js";
import { ownText } from "../../../assets/own_text.js";
import { ask } from "../../../assets/server.js";

const NONE = "none yet: what makes an answer the better one?";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-guidelines");
  const about = { title: "Guidelines", none: NONE, longest: props.longest };
  const text = ownText(about, (typed) => ask(server.write_guidelines({ text: typed })));
  root.replaceChildren(text.root);
  let shown = "";
  const look = async () => {
    if (!isVisible(root) || text.isOpen()) return;
    const found = await ask(server.read_guidelines({}));
    if (JSON.stringify(found) === shown) return; // drawn anew, its button would lose the focus
    shown = JSON.stringify(found);
    text.show(found);
  };
  new IntersectionObserver(look).observe(root);
}
