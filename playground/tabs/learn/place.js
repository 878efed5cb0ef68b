// Where one is in the lessons: which is open, at which step, and what has been done. No drawing.

/**
 * @typedef {{id: string, title: string, text: string, source: string, looks: boolean, trains: boolean,
 *   on_model: boolean,
 *   prediction: any, link: any}} Step
 * @typedef {{id: string, title: string, about: string, minutes: number, steps: Step[]}} Lesson
 */

/** What is kept of a step, by what is kept of all. @param {Record<string, any>} kept */
export const keptOf = (kept, lesson, step) => kept[`${lesson.id}/${step.id}`] ?? {};

const isDone = (kept, lesson, step) => Boolean(keptOf(kept, lesson, step).shown);

/** How many steps of a lesson were measured. @param {Record<string, any>} kept @param {Lesson} lesson */
export const doneIn = (kept, lesson) => lesson.steps.filter((step) => isDone(kept, lesson, step)).length;

/** The step to go on with: the first that is not done; all done, the first. @returns {number} */
export const nextStep = (kept, lesson) =>
  Math.max(
    0,
    lesson.steps.findIndex((step) => !isDone(kept, lesson, step)),
  );

/**
 * The lesson and step that an address names, ?lesson=sqrt-dk&step=2, steps counted from 1; null if it names none.
 * @param {Lesson[]} lessons
 * @param {URLSearchParams} address
 * @returns {{lesson: Lesson, step: number} | null}
 */
export function openPlace(lessons, address) {
  const lesson = lessons.find(({ id }) => id === address.get("lesson"));
  if (!lesson) return null;
  const step = Math.round(Number(address.get("step")) || 1) - 1;
  return { lesson, step: Math.min(Math.max(step, 0), lesson.steps.length - 1) };
}

/** What stands beside a lesson in the list. @param {number} done @param {number} all */
export const progressText = (done, all) =>
  done === 0 ? `${all} steps` : done === all ? "done" : `${done} of ${all} steps done`;
