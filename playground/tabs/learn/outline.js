// The list of all lessons, with how far one has come in each.

import { button, make } from "../../../assets/dom.js";
import { doneIn, nextStep, progressText } from "./place.js";

/**
 * @param {import("./place.js").Lesson[]} lessons
 * @param {Record<string, any>} kept
 * @param {(lesson: any, step: number) => void} open
 */
export function outline(lessons, kept, open) {
  const list = make("ol", "pg-lesson-list");
  const begun = lessons.findIndex((lesson) => doneIn(kept, lesson) < lesson.steps.length);
  lessons.forEach((lesson, i) => {
    const done = doneIn(kept, lesson);
    const all = lesson.steps.length;
    const text = done === 0 ? "Begin" : done === all ? "Look again" : "Go on";
    const go = button(text, () => open(lesson, nextStep(kept, lesson)), `pg-button${i === begun ? " pg-primary" : ""}`);
    go.dataset.lesson = lesson.id;
    go.setAttribute("aria-label", `${text}: ${lesson.title}`);
    const item = make("li", "pg-lesson-item");
    const said = make("div");
    const place = `about ${lesson.minutes} minutes · ${progressText(done, all)}`;
    said.append(make("h3", "", lesson.title), make("p", "", lesson.about), make("p", "pg-note", place));
    item.append(make("span", `pg-lesson-number${done === all ? " pg-lesson-done" : ""}`, done === all ? "✓" : i + 1));
    item.append(said, go);
    list.append(item);
  });
  return list;
}
