// How another part of the page fills in settings of a form.

const EVENT = "pg-settings";

/** @param {string} stage whose form it is @param {Record<string, any>} values */
export const useSettings = (stage, values) =>
  document.dispatchEvent(new CustomEvent(EVENT, { detail: { stage, values } }));

/** @param {string} stage @param {(values: Record<string, any>) => unknown} take */
export const onSettings = (stage, take) =>
  document.addEventListener(EVENT, (/** @type {any} */ { detail }) => detail.stage === stage && take(detail.values));
