// Who wrote this token: its logit taken apart into what embeddings, heads, MLPs and biases add to it.

import { about, button, choice, make, visibleSpaces } from "../../../assets/dom.js";
import { csv, download } from "../../../assets/files.js";
import { focus, focusedText, onFocus, setFocus } from "../../../assets/head_focus.js";
import { latest } from "../../../assets/server.js";
import { headPattern } from "./head_pattern.js";
import { decimal, percent } from "./numbers.js";
import { signedLegend, signedTable } from "./signed_table.js";
import { tokenRow } from "./token_row.js";

const ABOUT =
  "The logit of a token is a sum: each head and each MLP adds its share to the residual stream, and the share that " +
  "points at the token counts for it. The last layer norm's scale is held at what it was here (direct logit " +
  "attribution; nostalgebraist 2020, Elhage et al. 2021). What a head does by way of later layers counts for them. " +
  "A logit alone says little: choose a token under Against, and see who prefers the one to the other. Click a head " +
  "for its pattern.";
const NONE = "-"; // in Against
const SHOWN = 3; // terms that the sentence names, for and against

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, server }) {
  const root = element.querySelector(".pg-attribution");
  const wish = { token: null, against: null, typed: "" };
  const [problem, title, row, tools] = [make("div"), make("h3"), make("div"), make("div", "pg-tools")];
  const [said, legend] = [make("p", "pg-note"), make("div")];
  said.setAttribute("role", "status");
  const table = signedTable(props.diverging, (head) => {
    const [layer, at] = head.split(",").map(Number);
    setFocus({ layer, head: at });
  });
  const rest = signedTable(props.diverging, () => {});
  const pattern = headPattern();
  root.replaceChildren(problem, title, row, tools, said, rest.root, table.root, legend, pattern.root);
  const fetchTerms = latest(problem);
  let [asked, found] = ["", null];

  const draw = async () => {
    const answer = await fetchTerms(server.attribution({ key: focus.key, query: focus.query, ...wish }));
    if (!answer) return;
    found = answer;
    Object.assign(wish, { token: found.token, against: found.against, typed: "" });
    problem.replaceChildren();
    title.replaceChildren(titleOf(found), " ", about(ABOUT));
    const tokens = tokenRow(found.tokens, (query) => setFocus({ query }));
    tokens.buttons.forEach((node, i) => node.setAttribute("aria-pressed", i === found.position));
    row.replaceChildren(tokens);
    tools.replaceChildren(
      ...toolsOf(found, (changes) => {
        Object.assign(wish, changes);
        draw();
      }),
    );
    said.textContent = sentenceOf(found);
    const { alone, layers } = tablesOf(found);
    const largest = Math.max(...termsOf(found).map((term) => Math.abs(term[3])));
    rest.draw(alone.columns, alone.rows, largest);
    table.draw(layers.columns, layers.rows, largest);
    const end = largest.toFixed(1);
    const unit = "added to the logit: orange for the token, blue against it";
    legend.replaceChildren(signedLegend(props.diverging, [`−${end}`, "0", `+${end}`], unit));
    mark();
  };

  const mark = () => {
    if (!found) return;
    table.press(`${focus.layer},${focus.head}`);
    pattern.show(found.position);
  };

  onFocus(root, () => {
    const now = `${focusedText()}${focus.query}`;
    if (asked === now) return mark(); // only another head
    asked = now;
    Object.assign(wish, { token: null, against: null });
    found = null; // its position may lie behind the end of the new text
    draw();
  });
}

const nameOf = (found, id) => `“${visibleSpaces(found.choices.find((choice) => choice.id === id).text)}”`;

function titleOf(found) {
  const after = visibleSpaces(found.tokens[found.position]);
  const against = found.against === null ? "" : ` rather than ${nameOf(found, found.against)}`;
  return `Who wrote ${nameOf(found, found.token)}${against} after “${after}”?`;
}

function toolsOf(found, wishFor) {
  const named = found.choices.map(({ id, text, probability, really_next }) => {
    const next = really_next ? ", really next" : "";
    return /** @type {[string, string]} */ ([String(id), `${visibleSpaces(text)} (${percent(probability)}${next})`]);
  });
  const token = choice("Token", named, (id) => wishFor({ token: Number(id) }));
  token.select.value = String(found.token);
  const others = named.filter(([id]) => id !== String(found.token));
  const against = choice("Against", [[NONE, "nothing"], ...others], (id) =>
    wishFor({ against: id === NONE ? null : Number(id) }),
  );
  against.select.value = found.against === null ? NONE : String(found.against);
  const typed = make("input", "pg-typed");
  Object.assign(typed, { placeholder: "another token", maxLength: 40 });
  typed.setAttribute("aria-label", "Another token, with the space before it");
  typed.onchange = () => typed.value && wishFor({ typed: typed.value });
  const save = button("Save (CSV)", () =>
    download(
      "logit-attribution.csv",
      csv([["part", "layer", "head", "added to the logit"], ...termsOf(found)]),
      "text/csv",
    ),
  );
  return [token, typed, against, save];
}

/**
 * All terms as lines of a table: what it is, its layer and head counted from 1, and what it adds.
 * @param {any} found what Python sent
 * @returns {[string, number | "", number | "", number][]}
 */
export const termsOf = ({ token_embedding, position_embedding, heads, mlps, biases, n_biases }) => [
  ["token embedding", "", "", token_embedding],
  ["position embedding", "", "", position_embedding],
  ...heads.flatMap((row, layer) => [
    ...row.map((value, head) => /** @type {any} */ (["head", layer + 1, head + 1, value])),
    ["MLP", layer + 1, "", mlps[layer]],
  ]),
  [`biases (${n_biases} terms)`, "", "", biases],
];

const partOf = ([part, layer, head]) => (layer ? `${head ? `head ${head}` : part} of layer ${layer}` : part);

/**
 * What the logit is, and who adds most for and against the token.
 * @param {any} found
 */
export function sentenceOf(found) {
  const terms = termsOf(found).sort((a, b) => b[3] - a[3]);
  const list = (some) => some.map((term) => `${partOf(term)} (${signed(term[3], 2)})`).join(", ");
  const [most, least] = [terms.filter((term) => term[3] > 0), terms.filter((term) => term[3] < 0).reverse()];
  const of = found.against === null ? "its logit" : "the difference of the two logits";
  const parts = [
    found.note,
    `${terms.length} parts sum to ${decimal(found.sum)}; the model computes ${decimal(found.logit)} for ${of}.`,
    most.length ? `Most for it: ${list(most.slice(0, SHOWN))}.` : "",
    least.length ? `Most against it: ${list(least.slice(0, SHOWN))}.` : "",
  ];
  return parts.filter(Boolean).join(" ");
}

const signed = (value, digits) => `${value > 0 ? "+" : ""}${decimal(value, digits)}`;

/**
 * The parts as they stand: those that lie in no layer, and a row a layer, the heads side by side, then the MLP.
 * @param {any} found
 */
function tablesOf({ token_embedding, position_embedding, heads, mlps, biases, n_biases }) {
  const cell = (name, value, head = "") => ({
    value,
    text: decimal(value, Math.abs(value) < 10 ? 2 : 1),
    facts: /** @type {[string, string][]} */ ([[name, signed(value, 4)]]),
    head,
  });
  const alone = [
    cell("token embedding", token_embedding),
    cell("position embedding", position_embedding),
    cell(`biases (${n_biases} terms)`, biases),
  ];
  const layers = heads.map((row, layer) => ({
    name: `layer ${layer + 1}`,
    cells: [
      ...row.map((value, head) => cell(`layer ${layer + 1}, head ${head + 1}`, value, `${layer},${head}`)),
      cell(`layer ${layer + 1}, MLP`, mlps[layer]),
    ],
  }));
  return {
    alone: { columns: alone.map(({ facts: [[name]] }) => ({ name })), rows: [{ name: "in no layer", cells: alone }] },
    layers: { columns: [...heads[0].map((_, head) => ({ name: `head ${head + 1}` })), { name: "MLP" }], rows: layers },
  };
}
