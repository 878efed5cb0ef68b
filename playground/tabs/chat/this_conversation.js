// The conversation of this window, and what a person can do with it from outside its log: there is one for all views.

import { makeConversation } from "./conversation.js";
import { keepIn, makeTurns } from "./turns.js";

export const conversation = makeConversation(makeTurns(keepIn(sessionStorage, localStorage)));

/** @typedef {import("./composer.js").Composer & import("./exchange.js").Exchange} Composer */

/** @type {(composer: Composer) => void} */
let connected;
/** @type {Promise<Composer>} what is pressed before the log is there waits for it */
const composer = new Promise((resolve) => (connected = resolve));

/** The log is there, and so are the models and the settings. @param {Composer} made */
export const connect = (made) => connected(made);

/** Say something. Returns what stays in the box. @param {string} text */
export const send = async (text) => (await composer).send(text);

export const stop = async () => (await composer).stop();

/** Another token at a place, and whatever follows. @type {Composer["takeInstead"]} */
export const takeInstead = async (place, token) => (await composer).takeInstead(place, token);

/** An empty conversation in place of this one. */
export const clear = async () => (await composer).clear();

/** A kept conversation in place of this one. @type {Composer["replace"]} */
export const replace = async (...kept) => (await composer).replace(...kept);

/** @type {() => unknown} */
let list = () => {};

/** The list of conversations is there. @param {() => unknown} toggle show or hide it */
export const connectList = (toggle) => void (list = toggle);

export const toggleList = () => list();
