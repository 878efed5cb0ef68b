// What lies behind a token: what else the model might have written, and what one head looked at meanwhile.

import { choice, make, percent, visible } from "./elements.js";

const chosen = { layer: 0, head: 0 }; // stays from token to token

/**
 * @param {HTMLElement} place
 * @param {import("./answer.js").Written} token
 * @param {import("./tokenizer.js").Tokenizer} tokenizer
 * @param {import("./model.js").Shape} shape
 */
export function showToken(place, token, tokenizer, shape) {
  const looked = make("div", "looked");
  const draw = () => looked.replaceChildren(...lookedAt(token, tokenizer));
  const choose = (key, count) =>
    choice(key === "layer" ? "Layer" : "Head", count, chosen[key], (value) => {
      chosen[key] = value;
      draw();
    });
  const choices = make("p");
  choices.append(choose("layer", shape.n_layer), " ", choose("head", shape.n_head));
  place.replaceChildren(
    make("h2", "", `“${visible(tokenizer.text(token.id))}”: ${percent(token.probability)}`),
    alternatives(token, tokenizer),
    make("h3", "", "What a head looked at when this was chosen"),
    choices,
    looked,
  );
  draw();
}

function alternatives(token, tokenizer) {
  const table = make("table");
  table.append(make("caption", "", "The likeliest tokens, before temperature and top-p"));
  for (const [id, probability] of token.alternatives) {
    const [row, bar] = [make("tr", id === token.id ? "taken" : ""), make("td", "bar")];
    bar.style.setProperty("--share", String(probability));
    row.append(make("td", "", visible(tokenizer.text(id))), make("td", "number", percent(probability)), bar);
    table.append(row);
  }
  return table;
}

/** The tokens before, each as dark as its weight is beside the largest, and what that is. */
function lookedAt(token, tokenizer) {
  const count = token.seen.length;
  const weights = token.attention[chosen.layer].subarray(chosen.head * count, (chosen.head + 1) * count);
  const most = weights.indexOf(Math.max(...weights));
  const chips = token.seen.map((id, i) => {
    const chip = make("span", "seen", tokenizer.text(id));
    chip.style.setProperty("--weight", String(weights[i] / weights[most]));
    chip.title = percent(weights[i]);
    return chip;
  });
  return [...chips, make("p", "", `Most: ${percent(weights[most])} on “${visible(tokenizer.text(token.seen[most]))}”`)];
}
