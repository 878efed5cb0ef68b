// Align tab, PPO: answers of the moment, each token in the colour of what it cost or brought.
"use strict";

(() => {
  const { make, button, colorTable, cssOf, readableOn, visibleSpaces } = playground;
  const { visible, chip, passage, fill } = playground.tokens;
  const MEASURES = [
    { key: "kl", name: "KL", unit: "nats", about: "Orange: the model finds the token likelier than its parent did; blue: less likely. The sum over an answer is what it pays for." },
    { key: "advantages", name: "advantage", unit: "standard deviations", about: "Orange: from this token on it went better than the value head expected, so it becomes likelier; blue: worse, so less likely." },
  ];
  const signed = (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
  const sum = (values) => values.reduce((total, value) => total + value, 0);

  function legend(colors, measure, far) {
    const node = make("p", "pg-scale");
    const bar = make("span", "pg-scale-bar");
    bar.style.background = `linear-gradient(to right, ${colors.join(", ")})`;
    node.append(make("span", "", signed(-far, 1)), bar, make("span", "", `${signed(far, 1)} ${measure.unit}`));
    return node;
  }

  function rollout({ prompt, tokens, score, kl, advantages, ended }, measure, far, table) {
    const card = make("article", "pg-rollout");
    const values = { kl, advantages };
    const describe = (at) => [
      ["token", visibleSpaces(visible(tokens[at]).text)],
      ["KL", `${signed(kl[at], 2)} nats`],
      ["advantage", signed(advantages[at], 2)],
    ];
    const chips = passage(`Answer to ${prompt}`, describe, () => {});
    const nodes = tokens.map((hex, at) => {
      const node = chip(hex, 0, true);
      const place = Math.round(255 * Math.min(1, Math.max(0, 0.5 + values[measure.key][at] / (2 * far))));
      node.style.background = cssOf(table[place]);
      node.style.color = readableOn(table[place]);
      return node;
    });
    fill(chips, nodes, tokens);
    const facts = make("p", "pg-rollout-facts");
    facts.append(make("strong", "", `score ${signed(score, 2)}`), ` · KL ${signed(sum(kl), 1)} nats · ${tokens.length} tokens · ${ended ? "ended by itself" : "cut off: it did not end in time"}`);
    card.append(make("p", "pg-pair-prompt", prompt), chips, facts);
    return card;
  }

  function alignPpo(figure) {
    const node = make("section", "pg-rollouts");
    const table = colorTable(figure.diverging);
    const [tools, about, scale, cards] = [make("p", "pg-tools"), make("p", "pg-note"), make("div"), make("div", "pg-columns")];
    let [measure, last] = [MEASURES[0], null];
    const buttons = MEASURES.map((one) => button(one.name, () => ((measure = one), draw(...last))));
    tools.append(make("span", "pg-note", "colour each token by"), ...buttons);
    node.append(make("h3", "", "What it writes, and what that is worth"), tools, about, scale, cards);

    function draw(lines, index) {
      last = [lines, index];
      const { rollouts } = lines[index];
      // The scale is that of all steps, so that colours can be compared while one looks back.
      const all = lines.flatMap((line) => line.rollouts.flatMap((one) => one[measure.key].map(Math.abs))).sort((a, b) => a - b);
      const far = Math.max(0.1, all[Math.floor(0.98 * (all.length - 1))]); // but for the two most extreme in a hundred
      buttons.forEach((each, i) => each.setAttribute("aria-pressed", MEASURES[i] === measure));
      about.textContent = measure.about;
      scale.replaceChildren(legend(figure.diverging, measure, far));
      cards.replaceChildren(...rollouts.map((one) => rollout(one, measure, far, table)));
    }
    return { node, draw, holds: ({ rollouts }) => Boolean(rollouts?.length) };
  }

  Object.assign(playground, { alignPpo });
})();
