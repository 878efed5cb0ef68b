// A button that was pressed: disabled, and saying what is being done, until that is done.

// Its own text stays beneath: it belongs to whoever drew it, Gradio perhaps.

/** @param {HTMLButtonElement} button @param {string} doing what it reads meanwhile */
function setBusy(button, doing) {
  button.disabled = true;
  for (const name of ["data-busy", "aria-label"]) button.setAttribute(name, doing);
}

/** @param {HTMLButtonElement} button */
function setIdle(button) {
  button.disabled = false;
  for (const name of ["data-busy", "aria-label"]) button.removeAttribute(name);
}

/**
 * A button is busy until `work` has come to an end; what that comes to.
 * @template T
 * @param {HTMLButtonElement} button
 * @param {string} doing
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export async function busy(button, doing, work) {
  setBusy(button, doing);
  try {
    return await work;
  } finally {
    setIdle(button);
  }
}

// One of Gradio's buttons, by its id, with the line beside it that has said how the last press ended.

/** @returns {any} */
const button = (/** @type {string} */ id) => document.querySelector(`button#${id}, #${id} button`);
const line = (id) => document.getElementById(id);

/** @param {string} id @param {string} said @param {string} doing */
export function begin(id, said, doing) {
  line(said)?.toggleAttribute("data-stale", true);
  setBusy(button(id), doing);
}

/** @param {string} id @param {string} said */
export function end(id, said) {
  line(said)?.removeAttribute("data-stale");
  setIdle(button(id));
}
