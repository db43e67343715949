// One answer as it comes: thoughts, text, calls. Shows events; asks for nothing.

import { make, pretty } from "./elements.js";

export class Answer {
  /** `answered(outputs)` is called once every call has an answer written by hand. */
  constructor(place, { structured, answered }) {
    this.place = place;
    this.structured = structured;
    this.answered = answered;
    this.parts = new Map();
    this.calls = new Map();
  }

  show(event) {
    const { type, item_id: id } = event;
    if (type === "response.output_item.added") this.#begin(event.item);
    else if (type === "response.reasoning_text.delta") this.#append(id, event.delta);
    else if (type === "response.output_text.delta") this.#append(id, event.delta);
    else if (type === "response.function_call_arguments.delta") this.#append(id, event.delta);
    else if (type === "response.custom_tool_call_input.delta") this.#append(id, event.delta);
    else if (type === "response.output_item.done") this.#end(event.item);
    else if (type === "response.failed") this.fail(event.response.error?.message);
    else if (type === "error") this.fail(event.message ?? event.error?.message);
    else if (type === "response.incomplete") {
      this.note(`Cut: ${event.response.incomplete_details?.reason ?? "incomplete"}`);
    }
  }

  fail(message) {
    this.place.append(make("p", { class: "error", role: "alert" }, message ?? "It failed."));
  }

  note(text) {
    this.place.append(make("p", { class: "faint" }, text));
  }

  #begin(item) {
    const text = make("div", { class: "busy" });
    if (item.type === "reasoning") {
      const shown = make("details", { class: "thought", open: true }, make("summary", {}, "Thinking"), text);
      this.place.append(shown);
      this.parts.set(item.id, { text, shown });
    } else if (item.name !== undefined) {
      const code = make("pre", { class: "busy" });
      const shown = make("div", { class: "call" }, make("strong", {}, `Calls ${item.name}`), code);
      this.place.append(shown);
      this.parts.set(item.id, { text: code, shown });
    } else {
      text.className = "text busy";
      this.place.append(text);
      this.parts.set(item.id, { text, shown: text });
    }
  }

  /** Into one node: a long answer is thousands of pieces, and each node would be laid out anew with every one. */
  #append(id, delta) {
    const text = this.parts.get(id)?.text;
    if (text?.lastChild) text.lastChild.appendData(delta);
    else text?.append(delta);
  }

  #end(item) {
    const part = this.parts.get(item.id);
    if (!part) return;
    part.text.classList.remove("busy");
    if (item.type === "reasoning") {
      part.shown.open = false;
      part.shown.firstChild.textContent = "Thought";
    } else if (item.call_id !== undefined) {
      part.text.textContent = pretty(item.arguments ?? item.input ?? part.text.textContent);
      this.#ask(item, part.shown);
    } else if (this.structured) {
      part.text.replaceWith(make("pre", {}, pretty(part.text.textContent)));
    }
  }

  /** A tool's answer is written by hand. */
  #ask(item, place) {
    const output = make("textarea", { rows: "2" });
    this.calls.set(item.call_id, null);
    const give = make("button", { type: "submit" }, "Answer the call");
    const form = make("form", { class: "say" }, make("label", {}, `What ${item.name} gives`, output), give);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const custom = item.type === "custom_tool_call";
      const type = custom ? "custom_tool_call_output" : "function_call_output";
      this.calls.set(item.call_id, { type, call_id: item.call_id, output: output.value });
      output.readOnly = true;
      give.disabled = true;
      if ([...this.calls.values()].every(Boolean)) this.answered([...this.calls.values()]);
    });
    place.append(form);
  }

  /** Stopped, or lost on the way. */
  halt() {
    for (const { text } of this.parts.values()) text.classList.remove("busy");
  }
}
