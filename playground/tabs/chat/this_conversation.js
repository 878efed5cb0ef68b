// The conversation of this window, and what a person can do with it from outside its log: there is one for all views.

import { makeConversation } from "./conversation.js";
import { keepIn, makeTurns } from "./turns.js";

export const conversation = makeConversation(makeTurns(keepIn(sessionStorage, localStorage)));

/** @type {(composer: import("./composer.js").Composer) => void} */
let connected;
/** @type {Promise<import("./composer.js").Composer>} what is pressed before the log is there waits for it */
const composer = new Promise((resolve) => (connected = resolve));

/** The log is there and knows the models. @param {import("./composer.js").Composer} made */
export const connect = (made) => connected(made);

/** Say something. Returns what stays in the box. @param {string} text */
export const send = async (text) => (await composer).send(text);

export const stop = async () => (await composer).stop();

/** Another token at a place, and whatever follows. @type {import("./composer.js").Composer["takeInstead"]} */
export const takeInstead = async (place, token) => (await composer).takeInstead(place, token);
