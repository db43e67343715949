// Makes requests of what is in the form, and shows what comes. `continueFrom` is for other sections.

import { Answer } from "./answer.js";
import { byId, make } from "./elements.js";
import { call, events } from "./server.js";

/** What a stream ends with, unless somebody cancelled the turn. */
const LAST = new Set(["response.completed", "response.incomplete", "response.failed", "error"]);

const state = { previous: null, running: null };

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
    max_output_tokens: number("max_output_tokens"),
    reasoning: effort ? { effort } : undefined,
    previous_response_id: state.previous ?? undefined,
  };
  return JSON.parse(JSON.stringify(body));
}

export function continueFrom(id) {
  state.previous = id;
  byId("continues").textContent = id ? `Continues ${id}` : "Begins a new chain";
}

async function run(input, shown) {
  const turn = make("div", { class: "turn" });
  if (shown) turn.append(make("div", { class: "user" }, shown));
  byId("log").append(turn);
  const answer = new Answer(turn, {
    structured: Boolean(byId("schema").value.trim()),
    answered: (outputs) => run(outputs),
  });
  const stopping = new AbortController();
  state.running = stopping;
  busy(true);
  let last = null;
  try {
    for await (const event of events(request(input), stopping.signal)) {
      answer.show(event);
      last = event.type;
      byId("log").scrollTop = byId("log").scrollHeight;
      if (event.type === "response.completed" || event.type === "response.incomplete") {
        continueFrom(event.response.id);
      }
    }
    if (!LAST.has(last)) answer.note("Cancelled.");
  } catch (error) {
    if (stopping.signal.aborted) answer.note("Stopped.");
    else answer.fail(error.message);
  } finally {
    answer.halt();
    busy(false);
  }
}

function busy(is) {
  byId("stop").hidden = !is;
  byId("send").hidden = is;
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
  curl: (body) =>
    `curl ${location.origin}/v1/responses -H 'Content-Type: application/json' -d ${shell(JSON.stringify(body, null, 2))}`,
  python: (body) => {
    const fields = Object.entries(body).map(([name, value]) => `    ${name}=${python(value, "    ")},`);
    return [
      "from openai import OpenAI",
      "",
      `client = OpenAI(base_url="${location.origin}/v1", api_key="not-needed")`,
      `response = client.responses.create(\n${fields.join("\n")}\n)`,
      "print(response.output_text)",
    ].join("\n");
  },
};

function showCode(kind) {
  try {
    byId("snippet").value = CODE[kind](request(byId("input").value.trim() || "Hello!"));
  } catch (error) {
    byId("snippet").value = error.message;
  }
  byId("code").showModal();
}

export async function openPlayground() {
  byId("say").addEventListener("submit", send);
  byId("input").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  });
  byId("stop").addEventListener("click", () => state.running?.abort());
  byId("request").addEventListener("submit", (event) => event.preventDefault());
  byId("fresh").addEventListener("click", () => {
    byId("log").replaceChildren();
    continueFrom(null);
    byId("input").focus();
  });
  for (const button of document.querySelectorAll("[data-code]")) {
    button.addEventListener("click", () => showCode(button.dataset.code));
  }
  byId("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(byId("snippet").value);
    byId("copy").textContent = "Copied";
  });
  continueFrom(null);
  const { data } = await call("GET", "/v1/models");
  byId("model").replaceChildren(...data.map((one) => make("option", {}, one.id)));
}
