// What is this window's own and survives a reload: its number, the pair that it shows, the vote that has no answer yet.

export const newKey = () => crypto.randomUUID();

/** @type {Promise<string> | null} */
let claimed = null;

/** The window's number, the same after a reload. */
export const windowId = () => (claimed ??= claim());

// A duplicated tab brings its original's number along: who has the lock may keep it.
async function claim() {
  let id = sessionStorage.getItem("pg-window") ?? newKey();
  while (!(await isHeld(id))) id = newKey();
  sessionStorage.setItem("pg-window", id);
  return id;
}

// The lock is kept as long as the window lives.
const isHeld = (id) =>
  new Promise((done) => {
    const forever = () => (done(true), new Promise(() => {}));
    navigator.locks.request(`pg-window-${id}`, { signal: AbortSignal.timeout(700) }, forever).catch(() => done(false));
  });

/**
 * What the component `prefix` keeps over a reload.
 * @param {string} prefix
 */
export function memory(prefix) {
  const key = (/** @type {string} */ what) => `pg-${what}-${prefix}`;
  return {
    /** @param {string} what */
    get: (what) => JSON.parse(sessionStorage.getItem(key(what)) ?? "null"),
    /** @param {string} what @param {unknown} value null: nothing */
    set: (what, value) =>
      value === null ? sessionStorage.removeItem(key(what)) : sessionStorage.setItem(key(what), JSON.stringify(value)),
  };
}
