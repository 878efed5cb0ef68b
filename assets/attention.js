// Attention tab.
"use strict";

(() => {
  const { make, ask, follow, themed, plotOptions, colorTable } = playground;

  function headGrid(element, props, watch, server) {
    const root = element.querySelector(".pg-attention");
    let chosen = [0, 0];

    follow(props, watch, (value) => {
      if (value.empty) return root.replaceChildren(make("p", "pg-note", value.empty));
      const { n_layer, n_head, n_tokens, weights, scale, note } = value;
      const bytes = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
      const colors = colorTable(scale);
      const triangle = (n_tokens * (n_tokens + 1)) / 2;
      const grid = make("div", "pg-heads");
      grid.style.setProperty("--heads", n_head);
      const plot = make("div", "pg-focus");
      chosen = [Math.min(chosen[0], n_layer - 1), Math.min(chosen[1], n_head - 1)];
      const buttons = [];

      const choose = async (layer, head) => {
        chosen = [layer, head];
        buttons.forEach((b) => b.setAttribute("aria-pressed", b.dataset.head === `${layer},${head}`));
        const figure = await ask(server.focus_head({ key: value.key, layer, head }));
        if (figure.error) return plot.replaceChildren(make("p", "pg-error", figure.error));
        await Plotly.react(plot, figure.data, themed(figure.layout), plotOptions);
      };

      for (let layer = 0; layer < n_layer; layer++) {
        grid.append(make("span", "pg-layer", `layer ${layer + 1}`));
        for (let head = 0; head < n_head; head++) {
          const button = make("button", "pg-head");
          button.dataset.head = `${layer},${head}`;
          button.title = `layer ${layer + 1}, head ${head + 1}`;
          button.setAttribute("aria-label", button.title);
          const canvas = make("canvas");
          canvas.width = canvas.height = n_tokens;
          const image = new ImageData(n_tokens, n_tokens);
          const pixels = new Uint32Array(image.data.buffer);
          let at = (layer * n_head + head) * triangle;
          for (let query = 0; query < n_tokens; query++)
            for (let key = 0; key <= query; key++) pixels[query * n_tokens + key] = colors[bytes[at++]];
          canvas.getContext("2d").putImageData(image, 0, 0);
          button.append(canvas);
          button.onclick = () => choose(layer, head);
          button.onkeydown = (event) => {
            const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -n_head, ArrowDown: n_head }[event.key];
            const next = move && buttons[buttons.indexOf(button) + move];
            if (!next) return;
            event.preventDefault();
            next.focus();
            next.click();
          };
          buttons.push(button);
          grid.append(button);
        }
      }
      const left = make("div", "pg-grid-side");
      left.append(grid, make("p", "pg-note", note));
      const both = make("div", "pg-two");
      both.append(left, plot);
      root.replaceChildren(both);
      choose(...chosen);
    });
  }

  Object.assign(playground, { headGrid });
})();
