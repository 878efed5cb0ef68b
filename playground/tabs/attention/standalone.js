// The saved page: grid, head and lines, with every head's exact weights inside it instead of a server. See
// export_html.py.

import { button } from "../../../assets/dom.js";
import { setFocus } from "../../../assets/head_focus.js";
import { exactHeads } from "./exact_heads.js";
import { mount as mountHead } from "./head.js";
import { mount as mountHeads } from "./heads.js";
import { mount as mountLines } from "./lines.js";

const saved = JSON.parse(document.getElementById("data").textContent);
document.getElementById("model").textContent = saved.grid.key.model;
const element = document.getElementById("page");

const parts = [...element.querySelectorAll("[role=tabpanel]")];
const tabs = parts.map((part) => button(part.getAttribute("aria-label"), () => open(part)));
tabs.forEach((tab) => tab.setAttribute("role", "tab"));
document.getElementById("parts").append(...tabs);

function open(wanted) {
  parts.forEach((part, i) => {
    part.toggleAttribute("hidden", part !== wanted);
    tabs[i].setAttribute("aria-selected", String(part === wanted));
  });
  setFocus({}); // what was out of sight is drawn
}

mountHeads({ element, props: { value: saved.grid.key }, watch: () => {}, server: { read: async () => saved.grid } });
mountHead({ element, server: { focus_head: exactHeads(saved) } });
mountLines({ element });
open(parts[0]);
