// Models tab: the family tree, from vocabularies on the left to aligned models on the right.
"use strict";

(() => {
  const { make, button } = playground;
  const SVG = "http://www.w3.org/2000/svg";
  const [WIDTH, HEIGHT, ACROSS, DOWN] = [168, 46, 60, 14]; // of a node, and the gaps between nodes; pixels

  // How many steps each node is from its farthest ancestor; a circle, which a damaged card may claim, is cut.
  function depths(nodes, edges) {
    const above = new Map(nodes.map(({ id }) => [id, []]));
    for (const { from, to } of edges) above.get(to)?.push(from);
    const depth = new Map();
    const find = (id, path) => {
      if (depth.has(id)) return depth.get(id);
      if (path.has(id)) return 0;
      const found = Math.max(0, ...above.get(id).filter((parent) => above.has(parent)).map((parent) => 1 + find(parent, new Set([...path, id]))));
      depth.set(id, found);
      return found;
    };
    nodes.forEach(({ id }) => find(id, new Set()));
    return depth;
  }

  // {id: {x, y}}: a column a depth; in it, nodes stand beside their parents as far as there is room.
  function layout({ nodes, edges }) {
    const depth = depths(nodes, edges);
    const columns = [];
    for (const node of nodes) (columns[depth.get(node.id)] ??= []).push(node);
    const place = new Map();
    columns.forEach((column, x) => {
      const wanted = (id) => {
        const rows = edges.filter(({ to, from }) => to === id && place.has(from)).map(({ from }) => place.get(from).row);
        return rows.length ? rows.reduce((a, b) => a + b) / rows.length : 1e6;
      };
      column.sort((a, b) => wanted(a.id) - wanted(b.id) || a.name.localeCompare(b.name));
      let row = 0;
      for (const node of column) {
        const near = wanted(node.id);
        row = Math.max(row, near < 1e6 ? Math.floor(near) : row);
        place.set(node.id, { row, x: x * (WIDTH + ACROSS), y: row++ * (HEIGHT + DOWN) });
      }
    });
    return place;
  }

  function curve(a, b, role) {
    const path = document.createElementNS(SVG, "path");
    const [from, to] = [{ x: a.x + WIDTH, y: a.y + HEIGHT / 2 }, { x: b.x, y: b.y + HEIGHT / 2 }];
    const bend = Math.max(20, (to.x - from.x) / 2);
    path.setAttribute("d", `M${from.x},${from.y} C${from.x + bend},${from.y} ${to.x - bend},${to.y} ${to.x},${to.y}`);
    path.setAttribute("class", `pg-family-line${role === "reward model" ? " pg-family-judge" : ""}`);
    const title = document.createElementNS(SVG, "title");
    title.textContent = role;
    path.append(title);
    return path;
  }

  // The tree; `choose(name)` is called with a node's name.
  function familyTree(family, chosen, choose) {
    const place = layout(family);
    const size = [...place.values()].reduce(([w, h], { x, y }) => [Math.max(w, x + WIDTH), Math.max(h, y + HEIGHT)], [0, 0]);
    const frame = make("div", "pg-family");
    const paper = make("div", "pg-family-paper");
    Object.assign(paper.style, { width: `${size[0]}px`, height: `${size[1]}px` });
    const lines = document.createElementNS(SVG, "svg");
    lines.setAttribute("width", size[0]);
    lines.setAttribute("height", size[1]);
    lines.setAttribute("aria-hidden", "true");
    for (const { from, to, role } of family.edges) if (place.has(from) && place.has(to)) lines.append(curve(place.get(from), place.get(to), role));
    paper.append(lines);
    for (const { id, name, kind, here } of family.nodes) {
      const node = button("", () => choose(name), "pg-button pg-family-node");
      node.dataset.kind = kind;
      node.dataset.key = `tree-${id}`;
      node.append(make("span", "pg-family-name", name), make("span", "pg-family-kind", kind === "gone" ? "not here any more" : kind));
      node.title = name;
      node.disabled = !here;
      node.setAttribute("aria-pressed", name === chosen && here);
      const { x, y } = place.get(id);
      Object.assign(node.style, { left: `${x}px`, top: `${y}px`, width: `${WIDTH}px`, height: `${HEIGHT}px` });
      paper.append(node);
    }
    frame.append(paper);
    return frame;
  }

  Object.assign(playground, { familyTree });
})();
