// What the model reads of a conversation, and how it draws what it writes: core/chat_template.py, core/conversation.py
// and core/generate.py in short.

import { softmax } from "./model.js";

/**
 * @typedef {object} Template what stands around each message, in ids
 * @property {number[]} head before all
 * @property {[number[], number[]]} user
 * @property {[number[], number[]]} assistant
 */

/** @typedef {{role: "user" | "assistant", text: string}} Message */

/**
 * The ids of a conversation and the sign that it is the model's turn; without a template one text that goes on.
 * @param {import("./tokenizer.js").Tokenizer} tokenizer
 * @param {Template | null} template
 * @param {Message[]} messages
 */
export function encodePrompt(tokenizer, template, messages) {
  if (!template) return tokenizer.encode(scene(messages));
  const turns = messages.map(({ role, text }) => {
    const [before, behind] = template[role];
    return [...before, ...tokenizer.encode(text.trim()), ...behind];
  });
  return [...template.head, ...turns.flat(), ...template.assistant[0]];
}

/** One text of it all; what a person adds begins a new paragraph. @param {Message[]} messages */
const scene = (messages) =>
  messages.reduce((before, { role, text }) => {
    const opened = before && role === "user" ? `${before.replace(/\n+$/, "")}\n\n` : before;
    return opened + text;
  }, "");

/**
 * Index of the first token that the model still sees of a text of so many: the context slides by half a block.
 * @param {number} length
 * @param {number} blockSize
 */
export function contextStart(length, blockSize) {
  const hop = Math.max(1, Math.floor(blockSize / 2));
  return Math.max(0, Math.ceil((length - blockSize) / hop) * hop);
}

/**
 * One token: of the likeliest that together reach `topP` after the temperature, one at random; at 0 the likeliest.
 * @param {Float32Array} logits
 * @param {number} temperature
 * @param {number} topP
 * @param {number} uniform from [0, 1), all the chance there is
 */
export function draw(logits, temperature, topP, uniform) {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]);
  if (temperature === 0) return order[0];
  const shares = softmax(logits, temperature);
  let [kept, count] = [0, 0];
  while (count < order.length && (count === 0 || kept < topP)) kept += shares[order[count++]];
  let left = uniform * kept;
  for (const id of order.slice(0, count)) {
    left -= shares[id];
    if (left < 0) return id;
  }
  return order[count - 1];
}

/**
 * The likeliest tokens and their probabilities, as the model has them: before temperature and top-p.
 * @param {Float32Array} logits
 * @param {number} count
 * @returns {[number, number][]}
 */
export function likeliest(logits, count) {
  const shares = softmax(logits);
  const order = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a]);
  return order.slice(0, count).map((id) => [id, shares[id]]);
}
