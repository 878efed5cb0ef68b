// The page: one conversation with the model in this file, and what lies behind each token that it wrote.

import { Answer } from "./answer.js";
import { showToken } from "./behind.js";
import { make, slider } from "./elements.js";
import { Model } from "./model.js";
import { Tokenizer } from "./tokenizer.js";
import { fromBase64, unpack } from "./weights.js";

/** @typedef {import("./chat.js").Message} Message */

const $ = (id) => document.getElementById(id);
const saved = JSON.parse($("data").textContent);
const settings = { ...saved.sampling };
/** @type {(Message & {answer?: Answer})[]} */
const messages = [];
/** @type {Answer | null} */
let writing = null;

$("name").textContent = saved.name;
$("about").append(...saved.about.map((line) => make("p", "", line)));
$("question").setAttribute("placeholder", saved.template ? "Say something" : "Begin a text");
$("settings").append(
  slider("Temperature", [0, 2, 0.05], settings.temperature, (value) => (settings.temperature = value)),
  slider("Top-p", [0.05, 1, 0.05], settings.top_p, (value) => (settings.top_p = value)),
);

let loaded;
try {
  const tensors = unpack(fromBase64($("weights").textContent.trim()), saved.entries);
  loaded = { model: new Model(saved.shape, tensors), tokenizer: new Tokenizer(saved.tokens, saved.special) };
  say("");
} catch (error) {
  say(`The model in this file cannot be read: ${error.message} Ask for the file again.`);
  $("send").setAttribute("disabled", "");
}

/** @param {string} sentence */
function say(sentence) {
  $("said").textContent = sentence;
}

/** @param {string} role @param {string} [text] */
function addBubble(role, text = "") {
  const bubble = make("div", `bubble ${role}`, text);
  bubble.setAttribute("role", "listitem");
  bubble.setAttribute("aria-label", role === "user" ? "You" : saved.name);
  $("conversation").append(bubble);
  bubble.scrollIntoView({ block: "nearest" });
  return bubble;
}

/** Let the model answer what was said so far. */
async function answer() {
  const bubble = addBubble("assistant");
  writing = new Answer(loaded, saved, messages, settings);
  const record = { role: /** @type {const} */ ("assistant"), text: "", answer: writing };
  $("send").textContent = "Stop";
  const began = performance.now();
  for await (const token of writing.tokens(say)) {
    const chip = make("button", "token", token.text);
    chip.style.setProperty("--sure", String(token.probability));
    chip.title = `${(100 * token.probability).toFixed(1)} %`;
    chip.onclick = () => behind(chip, token);
    bubble.append(chip);
    record.text += token.text;
    bubble.scrollIntoView({ block: "nearest" });
  }
  const { written, end } = writing;
  const speed = written / ((performance.now() - began) / 1000);
  say(written ? `${written} tokens, ${speed.toFixed(0)} a second${end}` : `It wrote nothing${end}`);
  messages.push(record);
  $("send").textContent = "Send";
  writing = null;
}

/** @param {HTMLElement} chip @param {import("./answer.js").Written} token */
function behind(chip, token) {
  document.querySelector(".token[aria-pressed]")?.removeAttribute("aria-pressed");
  chip.setAttribute("aria-pressed", "true");
  showToken($("behind"), token, loaded.tokenizer, saved.shape);
}

function send() {
  if (writing) return writing.stop();
  const box = /** @type {HTMLTextAreaElement} */ ($("question"));
  if (!box.value.trim()) return say("Write a line first.");
  messages.push({ role: "user", text: box.value });
  addBubble("user", box.value);
  box.value = "";
  answer();
}

$("send").onclick = send;
$("again").onclick = () => {
  writing?.stop();
  messages.length = 0;
  for (const part of ["conversation", "behind"]) $(part).replaceChildren();
  say("");
};
$("question").onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!writing && loaded) send();
};
