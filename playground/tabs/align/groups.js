// Groups of the moment, as GRPO compares them: the answers to a prompt side by side, and what each is worth.

import { colorTable } from "../../../assets/colors.js";
import { about, make } from "../../../assets/dom.js";
import { coloredTokens, colorOn, reachOf, scaleLegend, signed, sum } from "./colored_tokens.js";

/**
 * A group as core/rlhf/group_rollouts.py describes it; `parts` are in the order of `rewards`.
 * @typedef {{reward: number, parts: number[], advantage: number, tokens: string[], kl: number[], ended: boolean}} One
 * @typedef {{prompt: string, rewards: string[], answers: One[]}} Group
 */

const ABOUT =
  "An answer is measured against the others to the same prompt: its advantage says by how much it is worth more or " +
  "less than they are, and so whether its tokens become likelier. Where all are worth the same, nothing is learned. " +
  "Orange: the model finds the token likelier than its parent did; blue: less likely.";

/** The best first. @param {One[]} answers */
export const ranked = (answers) => [...answers].sort((a, b) => b.reward - a.reward);

const plain = (value) => value.toFixed(2).replace("-", "−");

/** What each reward gave, where there are several. @param {string[]} rewards @param {number[]} parts */
export const partsText = (rewards, parts) =>
  rewards.length > 1 ? ` (${rewards.map((name, i) => `${name} ${plain(parts[i])}`).join(", ")})` : "";

/** @param {{advantage: number}} answer */
export function fateOf({ advantage }) {
  if (Math.abs(advantage) < 0.005) return "stays as likely";
  return advantage > 0 ? "becomes likelier" : "becomes less likely";
}

/** @param {One} answer @param {Group} group @param {(value: number) => number} color */
function answerCard(answer, group, color) {
  const { tokens, kl, reward, parts, advantage, ended } = answer;
  const card = make("article", "pg-rollout");
  const facts = make("p", "pg-rollout-facts");
  facts.append(
    make("strong", "", `reward ${plain(reward)}`),
    `${partsText(group.rewards, parts)} · advantage ${signed(advantage, 2)}: ${fateOf(answer)}`,
  );
  const said = (at) => [["KL", `${signed(kl[at], 2)} nats`]];
  const rest = `KL ${signed(sum(kl), 1)} nats · ${tokens.length} tokens${ended ? "" : " · cut off"}`;
  card.append(facts, coloredTokens(`Answer to ${group.prompt}`, tokens, kl, color, said));
  card.append(make("p", "pg-rollout-facts", rest));
  return card;
}

/** @param {Group} group @param {(value: number) => number} color */
function groupSection(group, color) {
  const section = make("section", "pg-group");
  const cards = make("div", "pg-columns");
  cards.append(...ranked(group.answers).map((answer) => answerCard(answer, group, color)));
  section.append(make("p", "pg-pair-prompt", group.prompt), cards);
  return section;
}

/**
 * @param {any} figure see playground/tabs/align/pictures.py
 * @returns {import("./details.js").Picture}
 */
export function groups(figure) {
  const root = make("section", "pg-groups");
  const colors = colorTable(figure.diverging);
  const title = make("h3", "", "Groups of the moment, and what each answer is worth ");
  title.append(about(ABOUT));
  const [scale, sections] = [make("div"), make("div")];
  root.append(title, scale, sections);

  /** @param {{groups: Group[]}[]} lines @param {number} index */
  function draw(lines, index) {
    const reach = reachOf(
      lines.flatMap((line) => line.groups.flatMap(({ answers }) => answers.flatMap(({ kl }) => kl))),
    );
    scale.replaceChildren(scaleLegend(figure.diverging, "nats from the parent", reach));
    sections.replaceChildren(...lines[index].groups.map((group) => groupSection(group, colorOn(colors, reach))));
  }
  return { root, draw };
}
