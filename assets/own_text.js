// A text of a person's own, such as guidelines or a note: shown in few lines, with a button that opens it for change.

import { button, make } from "./dom.js";
import { busy } from "./press.js";

/**
 * @param {{title: string, none: string, longest: number}} about `none` is said where there is no text yet
 * @param {(text: string) => Promise<{text?: string, error?: string}>} save
 * @returns {{root: HTMLElement, show: (answer: {text?: string, error?: string}) => void, isOpen: () => boolean}}
 */
export function ownText({ title, none, longest }, save) {
  const [root, line, trouble] = [make("div", "pg-own-text"), make("p"), make("p", "pg-error")];
  const box = Object.assign(make("textarea", "pg-own-text-box"), { rows: 4, maxLength: longest });
  box.setAttribute("aria-label", title);
  const written = make("span");
  let text = "";

  function show(answer) {
    trouble.textContent = answer.error ?? "";
    if (answer.error) return root.append(trouble);
    text = answer.text;
    written.textContent = text || none;
    line.replaceChildren(make("strong", "", title), " ", written);
    root.replaceChildren(line, button(text ? "Edit" : "Write", open));
  }

  function open() {
    box.value = text;
    const send = async () => show(await busy(keep, "Saving …", save(box.value.toWellFormed())));
    const keep = button("Save", send, "pg-button pg-primary");
    const tools = make("div", "pg-tools");
    tools.append(
      keep,
      button("Cancel", () => show({ text })),
    );
    root.replaceChildren(box, tools);
    box.focus();
  }
  return { root, show, isOpen: () => box.isConnected };
}
