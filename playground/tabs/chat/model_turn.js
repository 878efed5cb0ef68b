// What one model has answered, or two side by side.

import { make } from "../../../assets/dom.js";
import { plainText, xrayText } from "./answer_text.js";
import { editBox } from "./person_turn.js";
import { branchTools, copyTool, goOnTool, tool } from "./turn_tools.js";
import { textOf, writerOf } from "./turns.js";

/** @typedef {import("./turns.js").Turn} Turn */
/** @typedef {import("./turns.js").Answer} Answer */

/**
 * What all turns of models are shown with.
 * @typedef {object} Shown
 * @property {import("./conversation.js").Conversation} conversation
 * @property {import("./composer.js").Composer} composer
 * @property {[choice: string, text: string][]} choices of a vote
 * @property {Uint32Array | null} colors of probabilities, under the X-ray
 * @property {import("../../../assets/copied.js").CopiedMarks} copied
 * @property {() => void} draw everything
 * @property {Map<Answer, () => void>} updates gets, of each answer, what shows what has come since
 */

const AGAIN_ABOUT = "Another draw; this one stays on a branch of its own";
const GO_ON_ABOUT = "The model has not ended here: let it write on";
const VOTE_ABOUT = "Kept among the votes of the Label tab; the conversation goes on from the better one";

const THUMBS = /** @type {const} */ ([
  [true, "Good", "A thumb up: DPO with loss_type kto learns from thumbs. Press again to take it back"],
  [false, "Bad", "A thumb down: DPO with loss_type kto learns from thumbs. Press again to take it back"],
]);
const EDIT_ABOUT = "Write it as it should be: kept as a vote for your text over this one, and as an example to imitate";

/** What is said below an answer: how it came about. @param {Answer} answer */
export function noteOf({ state, note, tokens }) {
  const pending = state === "writing" && !tokens.length ? "…" : "";
  return [note || pending, state === "stopped" ? "stopped" : ""].filter(Boolean).join(" · ");
}

/** Whether one can say which answer of a turn is better. @param {Turn} turn */
export const isComparable = ({ answers }) =>
  answers.length > 1 && answers.every(({ state, tokens }) => state !== "writing" && tokens.length > 0);

/** Whether an answer can be written further: it was not the model that ended it. @param {Answer} answer */
export const isOpen = ({ state, cut, tokens }) => Boolean(tokens.length) && (state === "stopped" || cut);

/** Whether an answer can be judged: it has come to its end, and says something. @param {Answer} answer */
export const isJudged = (answer) => !["writing", "failed"].includes(answer.state) && textOf(answer).trim() !== "";

// What a person thinks of one answer.
function judgeTools(turn, lane, { composer, draw }, frame) {
  const answer = turn.answers[lane];
  const thumbs = THUMBS.map(([up, text, title]) => {
    const node = tool(`${turn.id}-${lane}-${text}`, text, () => composer.thumb(turn, lane, up), title);
    node.setAttribute("aria-pressed", String(answer.thumb?.up === up));
    return node;
  });
  const edit = () => {
    const send = (text) => composer.editAnswer(turn, lane, text);
    const { box, row } = editBox(
      textOf(answer).trim(),
      "The answer, to be edited",
      "Keep as the better answer",
      send,
      draw,
    );
    frame.replaceChildren(box, row);
    box.focus();
  };
  return [...thumbs, tool(`${turn.id}-${lane}-edit`, "Edit", edit, EDIT_ABOUT)];
}

/** @param {Turn} turn @param {number} lane which answer @param {Shown} shown */
function bubble(turn, lane, shown) {
  const { conversation, composer, colors, copied, updates } = shown;
  const answer = turn.answers[lane];
  const isPicked = turn.answers.length > 1 && turn.pick === lane;
  const head = make("p", "pg-said-who", writerOf(answer) + (isPicked ? " · the conversation goes on from here" : ""));
  const inspect = (index) => conversation.inspect({ node: turn, lane, answer, index });
  const text = colors ? xrayText(answer, colors, inspect) : plainText(answer);
  const [frame, tools] = [make("div", "pg-turn pg-said-model"), make("div", "pg-said-tools")];
  const [note, said, error] = [make("p", "pg-note pg-said-note"), make("span"), make("p", "pg-error")];
  note.append(said);
  if (isOpen(answer) && !conversation.tree.children(turn.id).length)
    note.append(tool(`${turn.id}-${lane}-on`, "Continue", () => composer.goOn(turn, lane), GO_ON_ABOUT));
  const judged = isJudged(answer) ? judgeTools(turn, lane, shown, frame) : [];
  tools.append(
    ...judged,
    copyTool(`${turn.id}-${lane}-copy`, () => textOf(answer).trim()),
  );
  frame.append(head, text.root, error, note, tools);
  const update = () => {
    text.update();
    frame.dataset.state = answer.state;
    frame.toggleAttribute("data-cut", Boolean(answer.cut));
    said.textContent = noteOf(answer);
    error.textContent = answer.error;
  };
  updates.set(answer, update);
  update();
  if (!colors && answer.state !== "writing") copied.mark(text.root, { model: answer.model });
  return frame;
}

function voteTools(turn, { composer, choices }) {
  if (!isComparable(turn)) return [];
  turn.since ??= Date.now();
  const voteTool = ([choice, text]) => {
    const node = tool(`${turn.id}-${choice}`, text, () => composer.vote(turn, choice), VOTE_ABOUT);
    node.setAttribute("aria-pressed", String(turn.vote?.choice === choice));
    return node;
  };
  return [make("span", "pg-note", "Which is better?"), ...choices.map(voteTool)];
}

/**
 * @param {Turn} turn
 * @param {Shown} shown
 * @returns {HTMLElement}
 */
export function modelTurn(turn, shown) {
  const { tree } = shown.conversation;
  const frame = make("article", turn.answers.length > 1 ? "pg-said-pair" : "pg-said-single");
  const tools = make("div", "pg-said-tools");
  const answerAgain = () => shown.composer.answerAgain(turn);
  tools.append(
    ...branchTools(turn, tree.siblings(turn), shown.composer.show),
    tool(`${turn.id}-again`, "Another answer", answerAgain, AGAIN_ABOUT),
    ...(tree.leaf() === turn ? [] : [goOnTool(turn, shown.composer.goTo)]),
    ...voteTools(turn, shown),
  );
  frame.append(...turn.answers.map((_, lane) => bubble(turn, lane, shown)), tools);
  return frame;
}
