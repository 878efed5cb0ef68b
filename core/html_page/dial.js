// The dial: the model in this file, mixed with the parent from which it was made.

/** @typedef {import("./model.js").Tensors} Tensors */

export class Dial {
  /**
   * @param {Tensors} child the model's own weights
   * @param {Tensors} learned child - parent, rounded
   */
  constructor(child, learned) {
    this.child = child;
    this.learned = learned;
    this.mixed = new Map(Array.from(child, ([name, weights]) => [name, weights.slice()])); // as the dial stands
    this.a = 1;
  }

  /** Mix anew, in place: child + (a - 1) learned. @param {number} a 0 is the parent, 1 the child */
  turn(a) {
    if (a === this.a) return;
    this.a = a;
    for (const [name, change] of this.learned) {
      const [from, mixed] = [this.child.get(name), this.mixed.get(name)];
      for (let i = 0; i < mixed.length; i++) mixed[i] = from[i] + (a - 1) * change[i];
    }
  }
}

/**
 * Where the dial stands, in words.
 * @param {number} a
 * @param {string} parent
 * @param {string} child
 */
export function placeText(a, parent, child) {
  const number = String(a).replace("-", "−");
  if (a === 1) return `${number}: ${child}`;
  if (a === 0) return `${number}: nearly ${parent}`;
  if (a < 0) return `${number}: away from ${child}`;
  return a > 1 ? `${number}: beyond ${child}` : `${number}: between ${parent} and ${child}`;
}
