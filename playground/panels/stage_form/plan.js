// Before a training: what it would cost in memory and time.

import { duration, make } from "../../../assets/dom.js";

const COLORS = { weights: 0, gradients: 1, optimizer: 2, activations: 3, copies: 4, logits: 4, "frozen models": 2 };

const gigabytes = (size) => (size < 1 ? `${Math.round(size * 1024)} MB` : `${size.toFixed(1)} GB`);
const colorOf = (part) => `pg-color-${COLORS[part]}`;

/**
 * Does it fit, and how long does it take?
 * @param {any} plan see playground/panels/stage_form/cost.py; a `peak` of null is not planned
 * @returns {[string, string]} of the memory, and of the time
 */
export function verdictOf({ peak, room, fits, device, seconds, busy }) {
  const where = device === "cpu" || device === "mps" ? device.toUpperCase() : "GPU";
  const need = () => `${gigabytes(peak)}${room ? ` of ${gigabytes(room)}` : ""} (${where})`;
  const space = peak === null ? `Memory on ${where} is not planned` : `${fits ? "Fits" : "Does not fit"}: ${need()}`;
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

/**
 * Show a plan, or what is wrong with the settings.
 * @param {HTMLElement} root
 * @param {any} plan
 */
export function showPlan(root, plan) {
  if (plan.error) return root.replaceChildren(make("p", "pg-error", plan.error));
  const { parts, told } = plan;
  const verdict = make("p", "pg-verdict");
  const [space, time] = verdictOf(plan);
  verdict.append(make("strong", plan.fits ? "" : "pg-error", space), ` · ${time}`);
  const details = make("details", "pg-plan-details");
  details.open = root.querySelector("details")?.open ?? false;
  details.append(make("summary", "pg-note", "Where the memory goes"));
  if (parts.length) details.append(memoryLegend(parts));
  details.append(make("p", "pg-note", plan.facts.map(([name, value]) => `${name}: ${value}`).join(" · ")));
  const bar = parts.length ? [memoryBar(parts, plan.peak, plan.room)] : [];
  root.replaceChildren(...(told ? [make("p", "pg-told", told)] : []), verdict, ...bar, details);
}
