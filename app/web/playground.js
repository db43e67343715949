// Makes requests of what is in the form, and shows what comes. `begin` and `forget` are for other sections.

import { Answer } from "./answer.js";
import { byId, make } from "./elements.js";
import { call, events } from "./server.js";

/** What a stream ends with, unless somebody cancelled the turn. */
const LAST = new Set(["response.completed", "response.incomplete", "response.failed", "error"]);

/** From the end of the log: whoever is so near is taken along as it grows. */
const NEAR_PX = 40;

const state = { previous: null, running: null, follows: true, frame: 0, top: 0 };

function json(id) {
  const text = byId(id).value.trim();
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${id === "tools" ? "Tools" : "The schema"}: no JSON (${error.message}).`);
  }
}

function number(id) {
  return byId(id).value === "" ? undefined : Number(byId(id).value);
}

/** The request that the form describes, without what was not filled in. */
function request(input) {
  const schema = json("schema");
  const effort = byId("effort").value;
  const body = {
    model: byId("model").value,
    input,
    instructions: byId("instructions").value.trim() || undefined,
    tools: json("tools"),
    text: schema && { format: { type: "json_schema", name: "answer", schema, strict: true } },
    temperature: number("temperature"),
    top_p: number("top_p"),
    top_k: number("top_k"),
    seed: number("seed"),
    max_output_tokens: number("max_output_tokens"),
    reasoning: effort ? { effort } : undefined,
    previous_response_id: state.previous ?? undefined,
  };
  return JSON.parse(JSON.stringify(body));
}

function continueFrom(id) {
  state.previous = id;
  byId("continues").textContent = id ? `Continues ${id}` : "Begins a new chain";
}

/** Go on from a response, or from none. What still runs belongs to the chain that is left. */
export function begin(id) {
  state.running?.abort();
  state.running = null;
  busy(false);
  byId("log").replaceChildren();
  continueFrom(id);
  byId("input").focus();
}

/** A response was deleted: nothing can go on from it. */
export function forget(id) {
  if (state.previous === id) continueFrom(null);
}

async function run(input, shown) {
  const log = byId("log");
  const turn = make("div", { class: "turn" });
  if (shown) turn.append(make("div", { class: "user" }, shown));
  log.append(turn);
  state.follows = true;
  follow();
  const answer = new Answer(turn, {
    structured: Boolean(byId("schema").value.trim()),
    answered: (outputs) => run(outputs),
  });
  const running = new AbortController();
  state.running = running;
  busy(true);
  if (!shown) byId("stop").focus(); // the form that sent it takes nothing more
  let last = null;
  try {
    for await (const event of events(request(input), running.signal)) {
      answer.show(event);
      last = event.type;
      follow();
      if (event.type === "response.completed" || event.type === "response.incomplete") {
        if (state.running === running) continueFrom(event.response.id);
      }
    }
    if (!LAST.has(last)) answer.note("Cancelled.");
  } catch (error) {
    if (running.signal.aborted) answer.note("Stopped.");
    else answer.fail(error.message);
    // What was never sent is not to be typed again.
    if (last === null && shown && !byId("input").value && !running.signal.aborted) byId("input").value = shown;
  } finally {
    answer.halt();
    if (state.running === running) {
      state.running = null;
      busy(false);
    }
  }
}

/** Keep the end of the log in sight, once a frame: looking how long it is makes the browser lay it out. */
function follow() {
  if (!state.follows || state.frame) return;
  state.frame = requestAnimationFrame(() => {
    state.frame = 0;
    if (state.follows) byId("log").scrollTop = byId("log").scrollHeight;
  });
}

/** Whoever scrolls up is reading there, until the end is in sight again. */
function scrolled() {
  const log = byId("log");
  if (log.scrollTop < state.top) state.follows = false;
  else if (log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX) state.follows = true;
  state.top = log.scrollTop;
}

/** Stop stands in the place of Send, and takes and gives back the keyboard with it. */
function busy(is) {
  const [shown, gone] = is ? [byId("stop"), byId("send")] : [byId("send"), byId("stop")];
  const held = document.activeElement === gone;
  shown.hidden = false;
  gone.hidden = true;
  if (held) shown.focus();
  byId("log").setAttribute("aria-busy", String(is));
}

function send(event) {
  event?.preventDefault();
  const text = byId("input").value.trim();
  if (!text || !byId("stop").hidden) return;
  byId("input").value = "";
  run(text, text);
}

function shell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A JSON value as Python writes it. */
function python(value, indent = "") {
  const inner = `${indent}    `;
  if (Array.isArray(value)) {
    return value.length ? `[\n${value.map((one) => inner + python(one, inner)).join(",\n")},\n${indent}]` : "[]";
  }
  if (value && typeof value === "object") {
    const lines = Object.entries(value).map(([key, one]) => `${inner}${JSON.stringify(key)}: ${python(one, inner)},`);
    return lines.length ? `{\n${lines.join("\n")}\n${indent}}` : "{}";
  }
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return JSON.stringify(value);
}

const CODE = {
  curl: (body, owner) => {
    const key = owner ? ' -H "Authorization: Bearer $MLX_RESPONSES_KEY"' : "";
    return `curl ${location.origin}/v1/responses -H 'Content-Type: application/json'${key} -d ${shell(JSON.stringify(body, null, 2))}`;
  },
  python: (body, owner) => {
    const fields = Object.entries(body).map(([name, value]) => `    ${name}=${python(value, "    ")},`);
    return [
      ...(owner ? ["import os", ""] : []),
      "from openai import OpenAI",
      "",
      `client = OpenAI(base_url="${location.origin}/v1", api_key=${owner ? 'os.environ["MLX_RESPONSES_KEY"]' : '"not-needed"'})`,
      `response = client.responses.create(\n${fields.join("\n")}\n)`,
      "print(response.output_text)",
    ].join("\n");
  },
};

async function showCode(kind) {
  try {
    const body = request(byId("input").value.trim() || "Hello!");
    const { owner } = await call("GET", "/api/session");
    byId("snippet").value = CODE[kind](body, owner);
  } catch (error) {
    byId("snippet").value = error.message;
  }
  byId("copy").textContent = "Copy";
  byId("code").showModal();
}

async function copy() {
  const snippet = byId("snippet");
  snippet.select();
  // Browsers give no clipboard to pages that come over plain http from another machine.
  if (navigator.clipboard) await navigator.clipboard.writeText(snippet.value);
  else document.execCommand("copy");
  byId("copy").textContent = "Copied";
}

export async function openPlayground() {
  byId("say").addEventListener("submit", send);
  byId("input").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  });
  byId("log").addEventListener("scroll", scrolled);
  byId("say").addEventListener("keydown", (event) => {
    if (event.key === "Escape") state.running?.abort();
  });
  byId("stop").addEventListener("click", () => state.running?.abort());
  byId("request").addEventListener("submit", (event) => event.preventDefault());
  byId("fresh").addEventListener("click", () => begin(null));
  for (const button of document.querySelectorAll("[data-code]")) {
    button.addEventListener("click", () => showCode(button.dataset.code));
  }
  byId("copy").addEventListener("click", copy);
  continueFrom(null);
  const { data } = await call("GET", "/v1/models");
  byId("model").replaceChildren(...data.map((one) => make("option", {}, one.id)));
}
