// The text that follows the person from tab to tab.

/** @type {string | null} */
let shared = null; // what was typed last, in whatever tab

/** @param {string} text */
export const keepText = (text) => {
  shared = text;
};

/** What was typed last; `own` if nothing was. @param {string} own */
export const offerText = (own) => shared ?? own;
