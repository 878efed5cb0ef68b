// Train tab: what a person does with the curves of a run: smooth, compare with earlier runs, save.
"use strict";

(() => {
  const { make, button, ask, cssColor, bytesOf, download, newLog, extendLog } = playground;

  function checkbox(label, checked, onchange) {
    const frame = make("label", "pg-choice");
    const box = make("input");
    Object.assign(box, { type: "checkbox", checked, onchange: () => onchange(box.checked) });
    frame.append(box, label);
    return Object.assign(frame, { box });
  }

  function smoothingSlider(options, draw) {
    const frame = make("label", "pg-choice", "smoothing");
    const slider = make("input");
    const shown = make("output", "pg-number-shown", options.smoothing.toFixed(2));
    Object.assign(slider, { type: "range", min: 0, max: 0.99, step: 0.01, value: options.smoothing, title: "0 shows every step as it was" });
    slider.oninput = () => {
      options.smoothing = Number(slider.value);
      shown.textContent = options.smoothing.toFixed(2);
      draw();
    };
    frame.append(slider, shown);
    return frame;
  }

  // --- earlier runs ---------------------------------------------------------------------------------------------------

  // A list to choose other runs from, which stays open; `current()` is the run that they are laid over.
  function comparison(current, options, server, draw, say) {
    const details = make("details", "pg-others");
    const summary = make("summary", "pg-button");
    const list = make("div", "pg-others-list");
    list.setAttribute("role", "group");
    list.setAttribute("aria-label", "runs to compare with");
    details.append(summary, list);

    const label = () => {
      const { size } = options.others;
      summary.textContent = size ? `compared with ${size}` : "compare with …";
    };

    const lay = async (name, wanted) => {
      if (wanted) {
        const found = await ask(server.run_history({ name }));
        if (found.error) return say(found.error);
        const taken = [...options.others.values()].map(({ color }) => color);
        const color = options.colors.find((free) => !taken.includes(free)) ?? options.colors[taken.length % options.colors.length];
        options.others.set(name, { log: extendLog(newLog(), found), color });
      } else options.others.delete(name);
      label();
      draw();
    };

    const fill = async () => {
      const { names = [], error } = await ask(server.other_runs({ name: current() }));
      if (error) return say(error);
      list.replaceChildren(...names.map((name) => checkbox(name, options.others.has(name), (wanted) => lay(name, wanted))));
      if (!names.length) list.append(make("p", "pg-note", "There is no other run yet."));
    };

    details.ontoggle = () => details.open && fill();
    details.onkeydown = ({ key }) => {
      if (key !== "Escape") return;
      details.open = false;
      summary.focus();
    };
    document.addEventListener("click", ({ target }) => !details.contains(target) && (details.open = false));
    label();
    return Object.assign(details, { label });
  }

  // --- saving ---------------------------------------------------------------------------------------------------------

  async function saveFile(server, name, kind, say) {
    const { file, content, error } = await ask(server.export_run({ name, kind }));
    if (error) return say(error);
    download(file, bytesOf(content), kind === "csv" ? "text/csv" : "application/zip");
  }

  // As it is seen, zoom included, on the page's background: what is transparent is unreadable elsewhere.
  function savePicture(plot, name) {
    const background = cssColor("--body-background-fill") || "#fff";
    const layout = { ...plot.layout, title: { text: name, font: { size: 15 } }, paper_bgcolor: background, plot_bgcolor: background };
    layout.margin = { ...layout.margin, t: layout.margin.t + 34 };
    layout.height += 34;
    const size = { width: plot.clientWidth, height: layout.height };
    Plotly.downloadImage({ data: plot.data, layout }, { format: "png", scale: 2, filename: name, ...size });
  }

  // One line of controls over the curves. `options` holds what is chosen; `current()` is the name of the run.
  function runTools(current, options, server, plot, draw, say) {
    const tools = make("div", "pg-tools");
    const others = comparison(current, options, server, draw, say);
    const save = (text, title, act) => Object.assign(button(text, act), { title });
    const saving = make("span", "pg-saving");
    saving.append(
      save("CSV", "All metrics of all steps, as a table", () => saveFile(server, current(), "csv", say)),
      save("PNG", "The curves as they are seen here", () => savePicture(plot, current())),
      save("TensorBoard", "All metrics and samples. Unpack it and run: tensorboard --logdir FOLDER", () => saveFile(server, current(), "tensorboard", say)),
    );
    tools.append(
      smoothingSlider(options, draw),
      checkbox("log steps", options.logX, (checked) => ((options.logX = checked), draw())),
      checkbox("log loss", options.logY, (checked) => ((options.logY = checked), draw())),
      others,
      saving,
    );
    return Object.assign(tools, { label: others.label });
  }

  Object.assign(playground, { runTools });
})();
