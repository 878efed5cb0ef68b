// The disk: how much the checkpoints use, and what is in the trash.

import { button, make } from "../../../assets/dom.js";
import { busy } from "../../../assets/press.js";
import { megabytes } from "./amounts.js";

const DAY = new Intl.DateTimeFormat("en", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});

/** @typedef {{id: string, name: string, time: number, size: number}} Thrown `time` in seconds since the epoch */

/** When it was deleted, and its size. @param {Thrown} thrown */
const thrownText = ({ time, size }) => `deleted ${DAY.format(time * 1000)} · ${megabytes(size)}`;

/**
 * A line on the disk, and the trash, folded.
 * @param {import("./actions.js").Shelf} shelf
 */
export function diskTools({ act, server, moved, refresh }) {
  const root = make("div", "pg-disk");
  const [sizes, folded, said] = [make("p", "pg-note"), make("details", "pg-trash"), make("p", "pg-note")];
  const [title, list] = [make("summary"), make("ul")];
  said.setAttribute("role", "status");
  folded.append(title, list);
  root.append(sizes, folded, said);
  const say = (text, isError = false) => {
    said.textContent = text;
    said.classList.toggle("pg-error", isError);
  };

  const row = (thrown) => {
    const item = make("li");
    const restore = button("Restore", () =>
      busy(
        restore,
        "Restoring …",
        act(
          server.restore_model({ thrown: thrown.id }),
          ({ name }) => moved({}, name, () => say(`${name} is back.`)),
          say,
        ),
      ),
    );
    restore.setAttribute("aria-label", `Restore ${thrown.name}`);
    const words = make("span");
    words.append(make("strong", "", thrown.name), make("span", "pg-model-small", ` ${thrownText(thrown)}`));
    item.append(words, restore);
    return item;
  };

  const emptyButton = (trash) => {
    const empty = button("Empty the trash", () => {
      if (!empty.dataset.sure) {
        empty.dataset.sure = "yes";
        empty.textContent = `Delete ${trash.length} for good? Press again`;
        return;
      }
      const freed = act(
        server.empty_trash({}),
        (answer) => refresh(() => say(`${megabytes(answer.freed)} freed.`)),
        say,
      );
      busy(empty, "Emptying …", freed);
    });
    return empty;
  };

  /** @typedef {{used: number, trash: number, left_over: number, free: number}} Disk */

  /** @param {{disk: Disk, trash: Thrown[], clashes: string[]}} overview */
  const draw = ({ disk, trash, clashes }) => {
    sizes.textContent = `${megabytes(disk.used)} used by models · ${megabytes(disk.free)} free`;
    if (disk.left_over)
      sizes.append(make("span", "", ` · ${megabytes(disk.left_over)} half written, deleted at the next start`));
    for (const path of clashes) sizes.append(make("span", "", ` · ${path} is not shown: another model has its name`));
    folded.hidden = !trash.length;
    title.textContent = `Trash: ${trash.length} · ${megabytes(disk.trash)}`;
    list.replaceChildren(...trash.map(row), ...(trash.length ? [emptyButton(trash)] : []));
  };
  return { root, draw, say };
}
