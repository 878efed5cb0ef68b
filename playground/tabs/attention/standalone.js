// The saved page: the same grid, with every head's exact weights inside it instead of a server. See export_html.py.

import { exactHeads } from "./exact_heads.js";
import { mount } from "./heads.js";

const saved = JSON.parse(document.getElementById("data").textContent);
document.getElementById("model").textContent = saved.grid.key.model;
mount({
  element: document.getElementById("page"),
  props: { value: saved.grid },
  watch: () => {},
  server: { focus_head: exactHeads(saved) },
});
