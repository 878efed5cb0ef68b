// Before a training: what it would cost in memory and time.

import { duration, make } from "../../../assets/dom.js";
import { drawWhenRested } from "../../../assets/server.js";

const COLORS = { weights: 0, gradients: 1, optimizer: 2, activations: 3, copies: 4, logits: 4, "frozen models": 2 };

const gigabytes = (size) => (size < 1 ? `${Math.round(size * 1024)} MB` : `${size.toFixed(1)} GB`);
const colorOf = (part) => `pg-color-${COLORS[part]}`;

/**
 * Does it fit, and how long does it take?
 * @param {any} plan see playground/panels/stage_form/cost.py; a `peak` of null is not planned
 * @returns {[string, string]} of the memory, and of the time
 */
export function verdictOf({ peak, room, fits, device, seconds, busy }) {
  const need = () => `${gigabytes(peak)}${room ? ` of ${gigabytes(room)}` : ""} on ${device}`;
  const space = peak === null ? `memory on ${device} is not planned` : `${fits ? "fits" : "does not fit"}: ${need()}`;
  return [space, `about ${duration(seconds)} here${busy ? `, after ${busy}, which is being trained` : ""}`];
}

function memoryBar(parts, peak, room) {
  const bar = make("div", "pg-memory");
  bar.setAttribute("role", "img");
  const sum = parts.reduce((total, [, size]) => total + size, 0);
  const whole = Math.max(room ?? 0, peak, sum);
  for (const [name, size] of parts.filter(([, size]) => size > 0)) {
    const part = make("span", colorOf(name));
    part.style.width = `${(100 * size) / whole}%`;
    part.title = `${name}: ${gigabytes(size)}`;
    bar.append(part);
  }
  bar.setAttribute("aria-label", parts.map(([name, size]) => `${name} ${gigabytes(size)}`).join(", "));
  return bar;
}

function memoryLegend(parts) {
  const legend = make("p", "pg-note pg-memory-legend");
  for (const [name, size] of parts.filter(([, size]) => size > 0)) {
    const item = make("span");
    item.append(make("i", `pg-swatch ${colorOf(name)}`), `${name} ${gigabytes(size)}`);
    legend.append(item);
  }
  return legend;
}

/** @param {import("../../../assets/server.js").View} view */
export function mount({ element, props, watch, server }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".pg-plan");
  drawWhenRested(root, props, watch, async (values, ask) => {
    const plan = await ask(server.plan(values));
    if (!plan) return;
    if (plan.error) return root.replaceChildren(make("p", "pg-error", plan.error));
    const { parts, told } = plan;
    const verdict = make("p", "pg-verdict");
    const [space, time] = verdictOf(plan);
    verdict.append(make("strong", plan.fits ? "" : "pg-error", space), ` · ${time}`);
    root.replaceChildren(...(told ? [make("p", "pg-told", told)] : []), verdict);
    if (parts.length) root.append(memoryBar(parts, plan.peak, plan.room), memoryLegend(parts));
    root.append(make("p", "pg-note", plan.facts.map(([name, value]) => `${name}: ${value}`).join(" · ")));
    root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
  });
}
