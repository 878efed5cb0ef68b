// Label tab, beside the vote: how well a person's taste is foretold, and how consistent they are.
"use strict";

(() => {
  const { make, facts, ask, isVisible, annotator } = playground;
  const percent = (share) => `${Math.round(100 * share)} %`;

  // --- the course of the hit rate -----------------------------------------------------------------------------------

  const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM] = [320, 170, 46, 8, 44];
  const svg = (tag, attributes, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // A line for the hit rate so far, and below it one mark a vote: a filled one where it was right, a hollow one else.
  function courseChart(hits, course) {
    const n = course.length;
    const x = (vote) => LEFT + ((vote - 1) / Math.max(1, n - 1)) * (WIDTH - LEFT - 10);
    const y = (share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM - 14);
    const label = (text, at, more = {}) => svg("text", { ...at, class: "pg-course-text", ...more }, text);
    const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "pg-course", role: "img" });
    chart.setAttribute("aria-label", `Hit rate over ${n} votes: ${course.map(percent).at(-1)} at the end`);
    for (const share of [0, 0.5, 1]) {
      chart.append(svg("line", { x1: LEFT, x2: WIDTH - 10, y1: y(share), y2: y(share), class: share === 0.5 ? "pg-course-coin" : "pg-course-grid" }));
      chart.append(label(`${100 * share}`, { x: LEFT - 5, y: y(share) + 4 }, { "text-anchor": "end" }));
    }
    chart.append(svg("polyline", { points: course.map((share, i) => `${x(i + 1)},${y(share)}`).join(" "), class: "pg-course-line" }));
    const width = Math.min(7, (WIDTH - LEFT - 10) / n);
    const shown = n > 60 ? [] : hits; // more marks would run into each other
    shown.forEach((hit, i) => chart.append(svg("circle", { cx: x(i + 1), cy: y(0) + 11, r: Math.max(1.2, width / 2 - 0.6), class: hit ? "pg-course-hit" : "pg-course-miss" })));
    if (n === 1) chart.append(svg("circle", { cx: x(1), cy: y(course[0]), r: 3, class: "pg-course-hit" }));
    const ticks = n > 1 ? [1, n] : [1];
    for (const tick of ticks) chart.append(label(String(tick), { x: x(tick), y: HEIGHT - 18 }, { "text-anchor": tick === 1 ? "start" : "end" }));
    chart.append(label("votes foretold (number)", { x: (LEFT + WIDTH - 10) / 2, y: HEIGHT - 4 }, { "text-anchor": "middle" }));
    const middle = y(0.5);
    chart.append(label("hit rate (%)", { x: 12, y: middle, transform: `rotate(-90 12 ${middle})` }, { "text-anchor": "middle" }));
    return chart;
  }

  // --- shares with their intervals ----------------------------------------------------------------------------------

  function interval(share, low, high) {
    const track = make("span", "pg-interval");
    track.style.setProperty("--low", low);
    track.style.setProperty("--high", high);
    track.style.setProperty("--share", share);
    track.setAttribute("role", "img");
    track.setAttribute("aria-label", `${percent(share)}, between ${percent(low)} and ${percent(high)} with 95 % confidence`);
    track.title = `95 % interval: ${percent(low)} to ${percent(high)}; the line in the middle is 50 %`;
    track.append(make("i"));
    return track;
  }

  function rateRow(name, { share, low, high, count, of }, sentence) {
    const row = make("div", "pg-habit");
    const title = make("p", "pg-habit-name", name);
    const figure = count ? `${percent(share)} of ${count} ${of}` : `0 ${of}`;
    title.append(make("strong", "", figure));
    row.append(title);
    if (count) row.append(interval(share, low, high));
    row.append(make("p", "pg-note", sentence));
    return row;
  }

  // --- all of it ------------------------------------------------------------------------------------------------------

  function tastePanel({ hits, course, low, high, bits }, enough) {
    const panel = make("section", "pg-taste");
    panel.append(make("h3", "", "The model of your taste"));
    panel.append(make("p", "pg-note", "Before each vote it has said which answer you would choose; it learns from every vote, and its hits are counted on votes it had not seen."));
    if (!hits.length) {
      panel.append(make("p", "", `It begins to guess after ${enough} votes for A or B.`));
      return panel;
    }
    const right = hits.filter(Boolean).length;
    panel.append(
      facts([
        [`of ${hits.length} votes foretold`, percent(right / hits.length)],
        ["bits of surprise a vote", bits.toFixed(2)],
      ]),
      make("p", "pg-note", `95 % interval of the hit rate: ${percent(low)} to ${percent(high)}. A coin has 50 % and 1 bit.`),
      courseChart(hits, course),
    );
    const legend = make("p", "pg-note");
    legend.append(make("i", "pg-mark pg-mark-hit"), " right ", make("i", "pg-mark pg-mark-miss"), " wrong; the line is the hit rate so far, dashed that of a coin.");
    panel.append(legend);
    return panel;
  }

  function habitsPanel(habits, wins) {
    const panel = make("section");
    panel.append(make("h3", "", "Your consistency"), make("p", "pg-note", "About one pair in ten comes back with its sides exchanged. Bars show 95 % intervals."));
    panel.append(...habits.map((habit) => rateRow(habit.name, habit, habit.sentence)));
    for (const { a, b, ...rate } of wins) panel.append(rateRow(`${a} preferred to ${b}`, { ...rate, of: "votes" }, "Voted blindly; ties count half."));
    return panel;
  }

  function insight(element, server) {
    const root = element.querySelector(".pg-insight");
    let [asked, stale] = [0, true];
    const draw = async () => {
      stale = true;
      if (!isVisible(root)) return;
      stale = false;
      const mine = ++asked;
      const answer = await ask(server.describe_annotator({ annotator: annotator.get() }));
      if (mine !== asked) return;
      if (answer.error) return root.replaceChildren(make("p", "pg-error", answer.error));
      root.replaceChildren(tastePanel(answer.foresight, answer.enough), habitsPanel(answer.habits, answer.wins));
      root.dataset.votes = answer.foresight.hits.length;
    };
    new IntersectionObserver(() => stale && draw()).observe(root);
    for (const event of ["pg-voted", "pg-annotator"]) document.addEventListener(event, draw);
    draw();
  }

  Object.assign(playground, { rateRow, insight });
})();
