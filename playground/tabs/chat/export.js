// A conversation as a file.

import { spoken, writerOf } from "./turns.js";

/** @typedef {import("./turns.js").Turn} Turn */

const speaker = (turn) => (turn.role === "user" ? "You" : writerOf(turn.answers[turn.pick]));
const escaped = (text) => text.replace(/[\\`*_{}[\]<>()#+\-.!|~&]/g, "\\$&");

/** @param {Turn[]} path */
export function markdown(path) {
  const parts = path.map((turn) => {
    const lines = escaped(spoken(turn).trim()).split("\n");
    return `**${escaped(speaker(turn))}**\n\n${lines.map((line) => `> ${line}  `).join("\n")}\n`;
  });
  return `# Conversation\n\n${parts.join("\n")}`;
}

/**
 * One line that `python -m core sft --data` and the Train tab can learn from, if it ends with an answer.
 * @param {Turn[]} path
 * @param {object} settings
 */
export function json(path, settings) {
  const messages = path.map((turn) => {
    const message = { role: turn.role, content: spoken(turn).trim() };
    return turn.role === "user" ? message : { ...message, model: speaker(turn) };
  });
  return `${JSON.stringify({ messages, settings })}\n`;
}
