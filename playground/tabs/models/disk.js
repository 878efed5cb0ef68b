// The disk: how much the checkpoints use, and what lies in the trash.

import { button, make } from "../../../assets/dom.js";
import { megabytes } from "./amounts.js";

/**
 * @param {{
 *   disk: {used: number, trash: number, free: number}, trash: {id: string, name: string}[], clashes: string[],
 * }} overview
 * @param {import("./actions.js").Shelf} shelf
 */
export function diskTools({ disk, trash, clashes }, shelf) {
  const { act, server, moved, shownAs } = shelf;
  const { used, free } = disk;
  const sizes = `${megabytes(used)} used by models, ${megabytes(disk.trash)} by the trash, ${megabytes(free)} free`;
  const parts = [make("span", "pg-note", sizes)];
  for (const path of clashes) parts.push(make("span", "pg-note", `${path} is not shown: another model has its name`));
  if (!trash.length) return parts;
  for (const { id, name } of trash) {
    const restore = () =>
      act(server.restore_model({ thrown: id }), ({ name: restored }) => moved({}, restored, `${restored} is back.`));
    parts.push(Object.assign(button(`Bring ${name} back`, restore), { title: id }));
  }
  const empty = button("Empty the trash", () => {
    if (empty.dataset.sure)
      return act(server.empty_trash({}), ({ freed }) => shownAs(`${megabytes(freed)} are free again.`));
    empty.dataset.sure = "yes";
    empty.textContent = `Delete ${trash.length} for good? Press again`;
  });
  return [...parts, empty];
}
