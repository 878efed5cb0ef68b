// The page: one conversation with the model in this file, and what lies behind each token that it wrote.

import { Answer } from "./answer.js";
import { showToken } from "./behind.js";
import { Dial, placeText } from "./dial.js";
import { make, pressable, slider } from "./elements.js";
import { Model } from "./model.js";
import { Tokenizer } from "./tokenizer.js";
import { bytesOf, unpack } from "./weights.js";

/** @typedef {import("./chat.js").Message} Message */

const $ = (id) => document.getElementById(id);
const saved = JSON.parse($("data").textContent);
const settings = { ...saved.sampling, a: 1 }; // a: where the dial stands
/** Who answers where the dial stands at a. @param {number} a */
const nameAt = (a) => (saved.dial ? placeText(a, saved.dial.parent, saved.name) : saved.name);
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

if (saved.dial) {
  const { least, most, parent } = saved.dial;
  $("dial").append(
    slider("Dial", [least, most, 0.05], settings.a, (value) => (settings.a = value), nameAt),
    make("p", "", `0 is nearly ${parent}, 1 is ${saved.name}. The next answer comes from where it stands.`),
  );
}

/** @type {{model: Model, tokenizer: Tokenizer, dial: Dial | null} | null} */
let loaded = null;

/** @param {string} sentence */
function say(sentence) {
  $("said").textContent = sentence;
}

/** @param {string} role @param {string} name whose words they are @param {string} [text] */
function addBubble(role, name, text = "") {
  const bubble = make("div", `bubble ${role}`, text);
  bubble.setAttribute("role", "listitem");
  bubble.setAttribute("aria-label", name);
  $("conversation").append(bubble);
  bubble.scrollIntoView({ block: "nearest" });
  return bubble;
}

/** Let the model answer what was said so far, mixed as the dial stands now. */
async function answer() {
  const name = nameAt(settings.a);
  const bubble = addBubble("assistant", name);
  if (settings.a !== 1) bubble.append(make("span", "place", name));
  loaded.dial?.turn(settings.a);
  const mine = new Answer(loaded, saved, messages, settings);
  const record = { role: /** @type {const} */ ("assistant"), text: "", answer: mine };
  offer((writing = mine));
  const began = performance.now();
  for await (const token of mine.tokens(say)) {
    const chip = pressable(make("span", "token", token.text));
    chip.style.setProperty("--sure", String(token.probability));
    chip.title = `${(100 * token.probability).toFixed(1)} %`;
    chip.onclick = () => behind(chip, token);
    bubble.append(chip);
    record.text += token.text;
    bubble.scrollIntoView({ block: "nearest" });
  }
  if (writing !== mine) return; // another conversation has begun
  const { written, end } = mine;
  const speed = written / ((performance.now() - began) / 1000);
  say(written ? `${written} tokens, ${speed.toFixed(0)} a second${end}` : `It wrote nothing${end}`);
  messages.push(record);
  offer((writing = null));
}

/** What can be pressed: while an answer is written, Stop. @param {Answer | null} now what is written */
function offer(now) {
  $("send").textContent = now ? "Stop" : "Send";
  $("rewrite").toggleAttribute("disabled", Boolean(now) || !messages.length);
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
  addBubble("user", "You", box.value);
  box.value = "";
  answer();
}

$("send").onclick = send;
$("rewrite").onclick = () => {
  messages.pop(); // the last answer: it stays to be compared, and the model does not read it
  $("conversation").lastElementChild.classList.add("earlier");
  answer();
};
$("again").onclick = () => {
  writing?.stop();
  messages.length = 0;
  offer((writing = null));
  for (const part of ["conversation", "behind"]) $(part).replaceChildren();
  say("");
};
$("question").onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!writing && loaded) send();
};

try {
  const bytes = await bytesOf($("weights").textContent.trim());
  const tensors = unpack(bytes, saved.model.entries);
  const dial = saved.dial && new Dial(tensors, unpack(bytes, saved.dial.entries));
  const model = new Model(saved.shape, dial ? dial.mixed : tensors);
  loaded = { model, tokenizer: new Tokenizer(saved.tokens, saved.special), dial };
  $("send").removeAttribute("disabled");
  say("");
} catch (error) {
  say(`The model in this file cannot be read: ${error.message} Ask for the file again.`);
}
