// How parts of the page tell each other which run is to be looked at, and that there are others.

const [LOOK, CHANGED] = ["pg-look", "pg-runs-changed"];

/** Show a run in the live view of a tab. @param {string} prefix of the view @param {string} run */
export const lookAt = (prefix, run) => document.dispatchEvent(new CustomEvent(LOOK, { detail: { prefix, run } }));

/** @param {string} prefix @param {(run: string) => unknown} look */
export const onLook = (prefix, look) =>
  document.addEventListener(LOOK, (/** @type {any} */ { detail }) => detail.prefix === prefix && look(detail.run));

/** A run has begun, ended, or is called otherwise. */
export const tellChanged = () => document.dispatchEvent(new CustomEvent(CHANGED));

/** @param {() => unknown} look */
export const onChanged = (look) => document.addEventListener(CHANGED, look);
