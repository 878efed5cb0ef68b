// The conversation of this window, and what a person can do with it from outside its log: there is one for all views.

import { makeConversation } from "./conversation.js";
import { keepIn, makeTurns } from "./turns.js";

export const conversation = makeConversation(makeTurns(keepIn(sessionStorage, localStorage)));

/** @type {import("./composer.js").Composer | null} */
let composer = null; // until the log is there

/** @param {typeof composer} made */
export const connect = (made) => void (composer = made);

/** Say something. Returns what stays in the box. @param {string} text */
export const send = (text) => composer?.send(text) ?? text;

export const stop = () => composer?.stop();

export const clear = () => composer?.clear();

/** Another token at a place, and whatever follows. @type {import("./composer.js").Composer["takeInstead"]} */
export const takeInstead = (place, token) => composer?.takeInstead(place, token);
