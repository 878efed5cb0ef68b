// A run, live. Its curves are in train_curves.js, what is done with them in train_tools.js.
"use strict";

(() => {
  const { make, isVisible, ask, follow, runCurves, runTools } = playground;
  const MOST_ROWS = 6000; // then the curves are asked for anew, thinned out

  const count = (n) => n.toLocaleString("en");
  const duration = (seconds) =>
    seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

  // --- the status line ------------------------------------------------------------------------------------------------

  // The evaluation with the lowest validation loss so far.
  function best({ step, values: { "loss/val": losses = [], "bpb/val": bits = [] } }) {
    const measured = step.map((_, i) => i).filter((i) => (losses[i] ?? null) !== null);
    if (!measured.length) return null;
    const at = measured.reduce((a, b) => (losses[b] < losses[a] ? b : a));
    const inBits = (bits[at] ?? null) === null ? "" : ` (${bits[at].toFixed(3)} bits per byte)`;
    return `best validation loss ${losses[at].toFixed(3)}${inBits} at step ${count(step[at])}`;
  }

  function statusLine() {
    const frame = make("div");
    const line = make("p", "pg-state");
    const badge = make("strong", "pg-badge");
    badge.setAttribute("role", "status"); // the numbers, which change all the time, are not read out
    const text = make("span");
    const bar = make("progress", "pg-progress");
    const failure = make("p", "pg-error");
    bar.setAttribute("aria-label", "steps taken");
    line.append(badge, text);
    frame.append(line, bar, failure);

    const show = (name, { status, left }, log) => {
      const { state, message, step, max_steps } = status;
      const facts = [name];
      if (max_steps) facts.push(`step ${count(step)} of ${count(max_steps)}`);
      if (left !== null && step < max_steps) facts.push(`about ${duration(left)} left`);
      facts.push(best(log), state === "failed" || message === "training" ? null : message);
      if (badge.textContent !== state) Object.assign(badge, { textContent: state, className: `pg-badge pg-${state}` });
      text.textContent = ` ${facts.filter(Boolean).join(" · ")}`;
      Object.assign(bar, { max: Math.max(1, max_steps), value: step });
      failure.textContent = state === "failed" ? sentence(message) : "";
    };
    const lost = (error) => {
      badge.textContent = badge.className = "";
      text.replaceChildren(make("span", "pg-error", error));
    };
    return { frame, show, lost };
  }

  // --- what it writes -------------------------------------------------------------------------------------------------

  const lossAt = ({ step, values }, at) => {
    const i = step.lastIndexOf(at);
    const known = [["validation", "loss/val"], ["training", "loss/train"]].filter(([, metric]) => (values[metric]?.[i] ?? null) !== null);
    return known.map(([name, metric]) => `, ${name} loss ${values[metric][i].toFixed(2)}`).join("");
  };

  // Newest first, so that a look from the bottom to the top is the story of its learning.
  function addSamples(story, samples, log) {
    for (const { step, prompt, text } of samples) {
      const sample = make("figure", "pg-sample");
      const words = make("blockquote");
      words.append(make("span", "pg-prompt", prompt), text);
      sample.append(make("figcaption", "", `after step ${count(step)}${lossAt(log, step)}`), words);
      story.prepend(sample);
    }
  }

  const sources = (published) =>
    published.map(({ name, bits_per_byte, source }) => `${name}'s ${bits_per_byte.toFixed(3)} bits per byte: ${source}.`).join(" ");

  // --- all of it ------------------------------------------------------------------------------------------------------

  // `extra(server)` draws what a tab shows besides: its nodes `above` and `below` the curves, and what it does when a
  // run is begun, restarted, or has taken steps. See align.js.
  function liveRun(element, props, watch, server, trigger, extra) {
    const root = element.querySelector(".pg-run");
    const options = { smoothing: 0.9, logX: false, logY: false, others: new Map(), colors: [] };
    const plot = make("div", "pg-curves");
    const [note, title, story] = [make("p", "pg-note"), make("h3", "", "What it says"), make("div", "pg-samples")];
    Object.assign(story, { tabIndex: 0 }); // to be scrolled by keyboard
    const status = statusLine();
    const curves = runCurves(plot, options);
    const tools = runTools(() => root.dataset.run, options, server, plot, curves.draw, status.lost);
    const beside = extra?.(server);
    const parts = [status.frame, beside?.above, tools, plot, beside?.below, note, title, story].filter(Boolean);
    let generation = 0; // a newer value silences the polling of an older one

    // `first`: until now the run that was looked at before could still be seen.
    const show = async (name, figure, news, first) => {
      if (first) [curves, beside].forEach((part) => part?.begin(name, figure));
      if (news.restart) [curves, beside].forEach((part) => part?.restart(news.about));
      if (first || news.restart) story.replaceChildren();
      curves.add(news);
      if (first || news.restart || news.columns.step.length) await curves.draw();
      if (first || news.restart || news.columns.step.length) await beside?.update(curves);
      status.show(name, news, curves.log());
      note.textContent = sources(curves.published());
      addSamples(story, news.samples, curves.log());
      title.hidden = !story.childElementCount;
    };

    follow(props, watch, ({ name, figure }) => {
      const mine = ++generation;
      if (!plot.isConnected) root.replaceChildren(...parts);
      options.others.delete(name);
      options.colors = figure.others;
      tools.label();
      Object.assign(root.dataset, { run: name, points: 0, state: "" });
      let [cursor, wasActive, begun] = [null, null, false];

      const poll = async () => {
        if (mine !== generation || !root.isConnected) return;
        let active = true;
        if (isVisible(root)) {
          if (begun && curves.log().step.length > MOST_ROWS) cursor = null;
          const news = await ask(server.follow_run({ name, cursor }));
          if (mine !== generation) return;
          if (news.error) {
            status.lost(news.error);
            setTimeout(poll, 2000); // the playground may come back
            return;
          }
          await show(name, figure, news, !begun);
          if (mine !== generation) return;
          begun = true;
          [cursor, active] = [news.cursor, news.status.active];
          Object.assign(root.dataset, { points: curves.log().step.at(-1) ?? 0, state: news.status.state });
          if (wasActive !== null && wasActive !== active) trigger("changed"); // ended, or begun again
          wasActive = active;
        }
        setTimeout(poll, active ? 1000 : 5000);
      };
      poll();
    });
  }

  Object.assign(playground, { liveRun });
})();
