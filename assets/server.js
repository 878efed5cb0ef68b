// How a view talks to Python: ask, follow what it sends, look again and again. A view is a module with a function
// `mount`, called once by the gr.HTML component that it fills.

import { isVisible } from "./dom.js";

/**
 * What `mount` is given.
 * @typedef {object} View
 * @property {any} element the root of the component, an HTMLElement
 * @property {any} props `props.value` is what Python last sent; the others are what Python's `view` was given
 * @property {(name: string, call: () => void) => void} watch tells when a prop has changed
 * @property {Record<string, (request?: any) => Promise<any>>} server the functions of Python that the view may call
 * @property {(event: string) => void} trigger tells Python that something has happened
 */

const NO_ANSWER =
  "The playground does not answer. A training goes on without it; start the playground again to see it here.";

/**
 * A server function's answer, {error} if there is none. `undefined` is Gradio's way to say that nobody answered.
 * @param {Promise<any>} call
 */
export const ask = async (call) => (await call.catch(() => undefined)) ?? { error: NO_ANSWER };

/** @param {number} ms */
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * A way to ask of which only the last answer counts: one that comes after another was asked for is undefined. With a
 * `place`, an error stands there, and null is what was answered.
 * @param {Element | null} [place]
 * @returns {(call: Promise<any>) => Promise<any>}
 */
export function latest(place = null) {
  let turn = 0;
  return async (call) => {
    const mine = ++turn;
    const answer = await ask(call);
    if (mine !== turn) return undefined;
    if (!place || !answer.error) return answer;
    const message = document.createElement("p");
    message.className = "pg-error";
    message.textContent = answer.error;
    place.replaceChildren(message);
    return null;
  };
}

/**
 * A function that is at work once at a time; what is asked for meanwhile is done once, afterwards.
 * @param {() => Promise<unknown>} work
 */
export function oneAtATime(work) {
  let [busy, again] = [false, false];
  return async function run() {
    if (busy) return void (again = true);
    busy = true;
    try {
      await work();
    } finally {
      busy = false;
    }
    if (again) {
      again = false;
      run();
    }
  };
}

/**
 * A function that does `work` once nobody has called it for `wait` milliseconds, with what it was last called with.
 * @template {any[]} Args
 * @param {(...args: Args) => unknown} work
 * @param {number} wait
 */
export function debounce(work, wait) {
  let timer = 0;
  return (/** @type {Args} */ ...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), wait);
  };
}

/**
 * Do `look` now, and again after as many milliseconds as it answers, until it answers nothing or `stop` is called. What
 * it gets is aborted then: an answer that comes later is none.
 * @param {(signal: AbortSignal) => Promise<number | void>} look
 * @returns {() => void} stop
 */
export function poll(look) {
  const stopped = new AbortController();
  let timer = 0;
  const next = async () => {
    const wait = await look(stopped.signal);
    if (wait && !stopped.signal.aborted) timer = setTimeout(next, wait);
  };
  next();
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}

/**
 * Call `render` with what Python has sent, now and whenever it sends something new.
 * @param {View["props"]} props
 * @param {View["watch"]} watch
 * @param {(value: any) => unknown} render
 */
export function follow(props, watch, render) {
  const update = () => props.value && render(props.value);
  watch("value", update);
  update();
}

const OUT_OF_SIGHT = 700; // ms until it is seen whether a view has come into sight

/**
 * From each value that Python sends until the next one, look again and again, as `poll` does; nobody looks while `root`
 * is out of sight.
 * @param {HTMLElement} root
 * @param {View["props"]} props
 * @param {View["watch"]} watch
 * @param {(value: any) => (signal: AbortSignal) => Promise<number | void>} begin what it looks at for this value
 */
export function pollWhenSeen(root, props, watch, begin) {
  let stop = () => {};
  follow(props, watch, (value) => {
    stop();
    stop = pollSeen(root, begin(value));
  });
}

/**
 * Look again and again, as `poll` does, but not while `root` is out of sight.
 * @param {HTMLElement} root
 * @param {(signal: AbortSignal) => Promise<number | void>} look
 * @returns {() => void} stop
 */
export function pollSeen(root, look) {
  return poll(async (signal) => {
    if (root.isConnected) return isVisible(root) ? look(signal) : OUT_OF_SIGHT;
  });
}

/**
 * Draw what Python or the page's widgets last sent when `root` is in sight; of many that come while it draws, only the
 * last is drawn. Returns a function that draws the same again.
 * @param {HTMLElement} root
 * @param {View["props"]} props
 * @param {View["watch"]} watch
 * @param {(value: any) => Promise<unknown>} draw
 */
export function drawWhenSeen(root, props, watch, draw) {
  let [last, wanted, busy] = [null, false, false];
  const next = async () => {
    if (busy || !wanted || root.offsetParent === null) return;
    [wanted, busy] = [false, true];
    try {
      await draw(last);
    } finally {
      busy = false;
    }
    next();
  };
  const again = () => {
    wanted = last !== null;
    next();
  };
  new IntersectionObserver(next).observe(root); // a tab was opened
  follow(props, watch, (value) => {
    last = value;
    again();
  });
  return again;
}

const RESTED = 400; // ms without a change before Python is asked: people type

/**
 * Draw what Python or the page's widgets last sent when `root` is in sight and they have rested. Meanwhile what stands
 * there is marked as stale; an answer is undefined when another was wanted before it came.
 * @param {HTMLElement} root
 * @param {View["props"]} props
 * @param {View["watch"]} watch
 * @param {(value: any, ask: (call: Promise<any>) => Promise<any>) => Promise<unknown>} draw
 */
export function drawWhenRested(root, props, watch, draw) {
  let wanted = new AbortController();
  const rested = (name, call) => {
    const callOnce = debounce(call, RESTED);
    watch(name, () => {
      wanted.abort();
      wanted = new AbortController();
      root.classList.add("pg-stale");
      callOnce();
    });
  };
  drawWhenSeen(root, props, rested, async (value) => {
    const { signal } = wanted;
    await draw(value, async (call) => {
      const answer = await ask(call);
      return signal.aborted ? undefined : answer;
    });
    if (!signal.aborted) root.classList.remove("pg-stale");
  });
}
