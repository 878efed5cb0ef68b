// GPT-2's forward pass in plain JavaScript, one token at a time, with a cache of keys and values. It computes what
// core/model.py does, from weights that were rounded to 8 bits.

/**
 * @typedef {object} Shape
 * @property {number} n_layer
 * @property {number} n_head
 * @property {number} n_embd
 * @property {number} block_size
 * @property {number} vocab_size
 * @property {boolean} tanh the GELU of GPT-2's own weights, else the exact one
 * @property {number} epsilon of the layer norms
 * @property {number} scale of the attention's scores
 */

/** @typedef {Map<string, Float32Array>} Tensors by their names in core/model.py, a matrix row by row */

export class Model {
  /**
   * @param {Shape} shape
   * @param {Tensors} tensors
   */
  constructor(shape, tensors) {
    this.shape = shape;
    this.tensors = tensors;
    const size = shape.block_size * shape.n_embd;
    this.keys = Array.from({ length: shape.n_layer }, () => new Float32Array(size));
    this.values = Array.from({ length: shape.n_layer }, () => new Float32Array(size));
    this.length = 0; // tokens that were read
  }

  forget() {
    this.length = 0;
  }

  /**
   * Read one token behind those that were read already; there must be room for it.
   * @param {number} id
   * @returns {{logits: Float32Array, attention: Float32Array[]}} logits of the next token (vocab_size), and for each
   *   layer the weights of its heads on every token so far, one head after the other
   */
  read(id) {
    const { n_layer, n_embd, vocab_size } = this.shape;
    const position = this.length++;
    const embedding = row(this.tensor("transformer.wte.weight"), id, n_embd);
    const place = row(this.tensor("transformer.wpe.weight"), position, n_embd);
    const x = embedding.map((value, i) => value + place[i]);
    const attention = [];
    for (let layer = 0; layer < n_layer; layer++) {
      const name = `transformer.h.${layer}.`;
      attention.push(this.attend(x, layer, position));
      const inner = this.linear(this.norm(x, `${name}ln_2`), `${name}mlp.c_fc`);
      add(x, this.linear(inner.map(this.shape.tanh ? geluTanh : gelu), `${name}mlp.c_proj`));
    }
    const head = this.tensors.get("lm_head.weight") ?? this.tensor("transformer.wte.weight");
    return { logits: product(head, this.norm(x, "transformer.ln_f"), vocab_size), attention };
  }

  /**
   * Add to the residual stream x what one layer's attention finds; returns its heads' weights.
   * @param {Float32Array} x
   * @param {number} layer
   * @param {number} position
   */
  attend(x, layer, position) {
    const { n_head, n_embd, scale } = this.shape;
    const [keys, values, size] = [this.keys[layer], this.values[layer], n_embd / n_head];
    const name = `transformer.h.${layer}.`;
    const qkv = this.linear(this.norm(x, `${name}ln_1`), `${name}attn.c_attn`);
    keys.set(qkv.subarray(n_embd, 2 * n_embd), position * n_embd);
    values.set(qkv.subarray(2 * n_embd), position * n_embd);
    const weights = new Float32Array(n_head * (position + 1));
    const y = new Float32Array(n_embd);
    for (let head = 0; head < n_head; head++) {
      const [start, end] = [head * size, (head + 1) * size];
      const looked = weights.subarray(head * (position + 1), (head + 1) * (position + 1));
      for (let t = 0; t <= position; t++) {
        let score = 0;
        for (let i = start; i < end; i++) score += qkv[i] * keys[t * n_embd + i];
        looked[t] = score * scale;
      }
      looked.set(softmax(looked));
      for (let t = 0; t <= position; t++) {
        for (let i = start; i < end; i++) y[i] += looked[t] * values[t * n_embd + i];
      }
    }
    add(x, this.linear(y, `${name}attn.c_proj`));
    return weights;
  }

  /** @param {string} name */
  tensor(name) {
    const found = this.tensors.get(name);
    if (!found) throw new Error(`This file holds no ${name}: it was cut short.`);
    return found;
  }

  /**
   * @param {Float32Array} x
   * @param {string} name of the layer
   */
  linear(x, name) {
    const weight = this.tensor(`${name}.weight`);
    const y = product(weight, x, weight.length / x.length);
    const bias = this.tensors.get(`${name}.bias`);
    if (bias) add(y, bias);
    return y;
  }

  /**
   * Layer norm of one row.
   * @param {Float32Array} x
   * @param {string} name
   */
  norm(x, name) {
    const [weight, bias] = [this.tensor(`${name}.weight`), this.tensor(`${name}.bias`)];
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    const factor = 1 / Math.sqrt(variance + this.shape.epsilon);
    return x.map((value, i) => (value - mean) * factor * weight[i] + bias[i]);
  }
}

/** @param {Float32Array} matrix @param {number} index @param {number} width */
const row = (matrix, index, width) => matrix.subarray(index * width, (index + 1) * width);

/**
 * matrix (n, K) times x (K). Four sums side by side: the processor need not wait for each to end.
 * @param {Float32Array} matrix
 * @param {Float32Array} x
 * @param {number} n
 */
function product(matrix, x, n) {
  const [y, K] = [new Float32Array(n), x.length];
  const even = K - (K % 4);
  for (let i = 0; i < n; i++) {
    const start = i * K;
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let k = 0; k < even; k += 4) {
      a += matrix[start + k] * x[k];
      b += matrix[start + k + 1] * x[k + 1];
      c += matrix[start + k + 2] * x[k + 2];
      d += matrix[start + k + 3] * x[k + 3];
    }
    for (let k = even; k < K; k++) a += matrix[start + k] * x[k];
    y[i] = a + b + c + d;
  }
  return y;
}

/** @param {Float32Array} x @param {Float32Array} other */
function add(x, other) {
  for (let i = 0; i < x.length; i++) x[i] += other[i];
}

/** Hendrycks & Gimpel 2016, arXiv:1606.08415. @param {number} x */
const gelu = (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));

/** The same, approximated as in GPT-2. @param {number} x */
const geluTanh = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

const ERF = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];

/** To 1.5e-7: Abramowitz & Stegun, Handbook of Mathematical Functions, 7.1.26. @param {number} x */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum = ERF.reduceRight((inner, factor) => t * (factor + inner), 0);
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

/** @param {Float32Array} scores @param {number} [temperature] */
export function softmax(scores, temperature = 1) {
  const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  const shares = scores.map((score) => Math.exp((score - largest) / temperature));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}
