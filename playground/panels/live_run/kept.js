// How a person looks at curves, kept in the browser from one visit to the next.

const KEY = "pg-curves";

const all = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // somebody else's, or none
  }
};

/** @param {string} prefix of the live view @param {Record<string, any>} defaults */
export const kept = (prefix, defaults) => ({ ...defaults, ...all()[prefix] });

/** @param {string} prefix @param {Record<string, any>} changes */
export function keep(prefix, changes) {
  const before = all();
  localStorage.setItem(KEY, JSON.stringify({ ...before, [prefix]: { ...before[prefix], ...changes } }));
}
