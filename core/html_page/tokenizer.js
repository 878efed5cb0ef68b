// Byte-level BPE, as core/tokenizer.py has it: text to ids and back. A token's bytes are a string here, one character
// for each byte.

// GPT-2's split pattern. Its \s is what Unicode calls white space, which JavaScript's own does not quite mean.
const SPLIT = new RegExp(
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+$|\\s+(?!\\S)|\\s"
    .replaceAll("\\s", "\\p{White_Space}")
    .replaceAll("\\S", "\\P{White_Space}"),
  "gu",
);

const ENCODER = new TextEncoder();

export class Tokenizer {
  /**
   * @param {string[]} tokens what each id stands for, in bytes
   * @param {Record<string, number>} special names of the tokens that no text has, and their ids
   */
  constructor(tokens, special) {
    this.tokens = tokens;
    this.names = new Map(Object.entries(special).map(([name, id]) => [id, name]));
    this.ids = new Map(tokens.map((token, id) => [token, id]));
    this.known = new Map(); // pre-tokens that were cut before
  }

  /** @param {string} text @returns {number[]} */
  encode(text) {
    return (text.match(SPLIT) ?? []).flatMap((word) => {
      if (!this.known.has(word)) this.known.set(word, this.merge(word));
      return this.known.get(word);
    });
  }

  /** The ids of one pre-token: again and again the pair that was learned first becomes one. @param {string} word */
  merge(word) {
    const parts = Array.from(ENCODER.encode(word), (byte) => String.fromCharCode(byte));
    for (;;) {
      let [best, at] = [Infinity, -1];
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = this.ids.get(parts[i] + parts[i + 1]) ?? Infinity;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) return parts.map((part) => this.ids.get(part));
      parts.splice(at, 2, parts[at] + parts[at + 1]);
    }
  }

  /** The bytes of a token; of a special one, its name's. @param {number} id */
  bytes(id) {
    const name = this.names.get(id);
    return name ? ENCODER.encode(name) : Uint8Array.from(this.tokens[id], (byte) => byte.charCodeAt(0));
  }

  /** A token by itself, as it is shown: what is no whole character as U+FFFD. @param {number} id */
  text(id) {
    return new TextDecoder().decode(this.bytes(id));
  }
}
