// Figures of the server, looked at again and again while they are shown.

import { byId, make } from "./elements.js";
import { call } from "./server.js";

const EVERY_MS = 2000;
const KEPT = 60;
const history = new Map();
let timer = null;
let before = null;

function bytes(count) {
  return count >= 2 ** 30 ? `${(count / 2 ** 30).toFixed(1)} GiB` : `${Math.round(count / 2 ** 20)} MiB`;
}

function ms(value) {
  return value === null ? "–" : `${Math.round(value)} ms`;
}

function plot(name, value) {
  const values = [...(history.get(name) ?? []), value ?? 0].slice(-KEPT);
  history.set(name, values);
  const top = Math.max(...values, 1e-9);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${KEPT} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name}, the last ${(KEPT * EVERY_MS) / 1000} seconds`);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", values.map((one, at) => `${KEPT - values.length + at},${19 - (18 * one) / top}`).join(" "));
  line.setAttribute("vector-effect", "non-scaling-stroke");
  svg.append(line);
  return svg;
}

function figure(name, text, value) {
  return make("div", { class: "panel figure" }, make("span", { class: "faint" }, name), make("strong", {}, text), plot(name, value));
}

function rows(found, empty) {
  return found.length ? make("ul", { class: "list" }, ...found.map((one) => make("li", {}, one))) : make("p", { class: "faint" }, empty);
}

const live = new Map();

/** Each turn keeps its row while it goes on: a button under the pointer or the keyboard stays there. */
function liveTurns(turns) {
  const going = new Set(turns.map((turn) => turn.id));
  for (const [id, row] of live) {
    if (going.has(id)) continue;
    row.remove();
    live.delete(id);
  }
  for (const turn of turns) {
    if (!live.has(turn.id)) live.set(turn.id, liveTurn(turn.id));
    live.get(turn.id).firstChild.textContent = `${turn.status} · ${turn.model} · ${turn.id}`;
  }
  if (!live.size) return rows([], "Nothing is in flight.");
  const list = byId("turns").querySelector("ul") ?? make("ul", { class: "list" });
  list.append(...[...live.values()].filter((row) => row.parentNode !== list));
  return list;
}

function liveTurn(id) {
  const stop = make("button", { type: "button", class: "bad", "aria-label": `Cancel ${id}`, onclick: () => cancel(id, stop) }, "Cancel");
  return make("li", { class: "row", "data-turn": id }, make("span", { class: "faint" }), stop);
}

async function cancel(id, button) {
  button.disabled = true;
  button.textContent = "Cancelling";
  // It may have ended in the meantime; the next look shows how things are.
  await call("POST", `/api/turns/${id}/cancel`).catch(() => null);
  await look();
}

async function look() {
  const [stats, turns, models] = await Promise.all([call("GET", "/api/stats"), call("GET", "/api/turns"), call("GET", "/api/models")]);
  const { engine } = stats.live;
  const now = { at: performance.now(), generated: engine.generated };
  const speed = before ? Math.max(0, (1000 * (now.generated - before.generated)) / (now.at - before.at)) : 0;
  before = now;
  const input = stats.tokens.reduce((sum, one) => sum + one.input, 0);
  const cached = stats.tokens.reduce((sum, one) => sum + one.cached, 0);
  const hits = input ? (100 * cached) / input : 0;
  byId("figures").replaceChildren(
    figure("Tokens a second", speed.toFixed(0), speed),
    figure("First token, p50 / p99", `${ms(stats.first_token.p50_ms)} / ${ms(stats.first_token.p99_ms)}`, stats.first_token.p50_ms),
    figure("Between tokens, p50 / p99", `${ms(stats.token.p50_ms)} / ${ms(stats.token.p99_ms)}`, stats.token.p50_ms),
    figure("Prompt tokens from the cache", `${hits.toFixed(0)} %`, hits),
    figure("Memory", `${bytes(engine.memory_bytes)} of ${bytes(engine.memory.budget)}`, engine.memory_bytes),
    figure("Running and waiting", `${engine.rows} + ${engine.queued}`, engine.rows + engine.queued),
  );
  const shown = liveTurns(turns.data);
  if (shown.parentNode !== byId("turns")) byId("turns").replaceChildren(shown);
  byId("loaded").replaceChildren(rows(models.data.map((one) => `${one.name}: ${one.state}, ${bytes(one.weights_bytes)}${one.pinned ? ", pinned" : ""}`), "No model is in memory."));
  byId("failures").replaceChildren(rows(stats.failures.map((one) => `${one.model}: ${one.error.message}`), "No turn has failed."));
}

async function again() {
  try {
    await look();
  } catch (error) {
    byId("figures").replaceChildren(make("p", { class: "error", role: "alert" }, error.message));
  }
  if (timer !== null) timer = setTimeout(again, EVERY_MS);
}

/** Look while the section is shown, and not behind other things. */
export function watch(shown) {
  if (timer !== null) clearTimeout(timer);
  timer = null;
  if (shown) {
    timer = 0;
    again();
  }
}
