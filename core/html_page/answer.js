// One answer while it is written: what the model reads first, each token with what lay behind it, and how it ended.

import { contextStart, draw, encodePrompt, likeliest } from "./chat.js";
import { softmax } from "./model.js";

const ALTERNATIVES = 8;

/**
 * @typedef {object} Written one token
 * @property {number} id
 * @property {string} text the characters that became complete with it
 * @property {number} probability the model's own, before temperature and top-p
 * @property {[number, number][]} alternatives the likeliest ids and their probabilities
 * @property {number[]} seen the ids that the model had before it
 * @property {Float32Array[]} attention of the last of those: for each layer, head by head, its weights on all of them
 */

export class Answer {
  /**
   * @param {{model: import("./model.js").Model, tokenizer: import("./tokenizer.js").Tokenizer}} loaded
   * @param {{template: import("./chat.js").Template | null, ends: number[], sampling: {max_new_tokens: number}}} saved
   * @param {import("./chat.js").Message[]} messages
   * @param {{temperature: number, top_p: number}} settings
   */
  constructor({ model, tokenizer }, saved, messages, settings) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.saved = saved;
    this.settings = settings;
    this.block = model.shape.block_size;
    const prompt = encodePrompt(tokenizer, saved.template, messages);
    this.cut = contextStart(prompt.length, this.block);
    this.ids = prompt.slice(this.cut);
    this.written = 0;
    this.stopped = false;
    this.end = ""; // how it ended, in words, if not by itself
  }

  stop() {
    this.stopped = true;
  }

  /** @param {(sentence: string) => void} say */
  async *tokens(say) {
    const decoder = new TextDecoder();
    const { temperature, top_p } = this.settings;
    const most = this.saved.sampling.max_new_tokens;
    this.model.forget();
    let last = await this.read(0, say);
    while (last && !this.stopped && this.written < most) {
      const id = draw(last.logits, temperature, top_p, Math.random());
      if (this.saved.ends.includes(id)) break;
      const probability = softmax(last.logits)[id];
      const alternatives = likeliest(last.logits, ALTERNATIVES);
      const seen = this.ids.slice(this.ids.length - this.model.length);
      const text = decoder.decode(this.tokenizer.bytes(id), { stream: true });
      this.written++;
      yield { id, text, probability, alternatives, seen, attention: last.attention };
      this.ids.push(id);
      last = await this.read(this.ids.length - 1, say);
    }
    if (this.stopped) this.end = ", stopped";
    else if (this.written >= most) this.end = ", cut at its longest";
    if (this.cut) this.end += `; of what was said before, the first ${this.cut} tokens were too many to read`;
  }

  /**
   * Read the ids from `start` on; where they no longer fit, the context slides and is read anew.
   * @param {number} start
   * @param {(sentence: string) => void} say
   */
  async read(start, say) {
    const from = contextStart(this.ids.length, this.block);
    if (this.ids.length - from <= this.model.length) {
      this.model.forget();
      start = from;
    }
    let last = null;
    for (let i = start; i < this.ids.length; i++) {
      await new Promise((resolve) => setTimeout(resolve)); // the page stays alive
      if (this.stopped) return null; // and what is read now may be read for another answer
      last = this.model.read(this.ids[i]);
      if (i + 1 < this.ids.length) say(`Reading ${i + 1 - start} of ${this.ids.length - start} tokens`);
    }
    return last;
  }
}
