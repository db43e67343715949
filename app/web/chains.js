// What is stored: a list, and the tree that one of them is part of. Continue, branch, export, delete.
// A tree comes in one request, however large; what was said in a turn when it is opened.

import { byId, gist, make, pretty, when } from "./elements.js";
import { call } from "./server.js";

const PAGE = 30;
let last = null;

async function list(more) {
  const query = new URLSearchParams({ limit: PAGE, order: "desc" });
  const words = byId("words").value.trim();
  if (words) query.set("q", words);
  if (more && last) query.set("after", last);
  const page = await call("GET", `/api/responses?${query}`);
  last = page.last_id;
  const rows = page.data.map((one) =>
    make("li", {}, make("button", { type: "button", "data-id": one.id, onclick: () => told(show(one.id)) }, gist(one.output), make("span", { class: "faint" }, ` ${when(one.created_at)}`))),
  );
  if (more) byId("stored").append(...rows);
  else byId("stored").replaceChildren(...(rows.length ? rows : [make("li", { class: "faint" }, words ? "No response has these words." : "Nothing is stored.")]));
  byId("older").hidden = !page.has_more;
}

async function show(id) {
  for (const button of byId("stored").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.id === id));
  }
  const tree = new Tree(id);
  await tree.grow();
  byId("tree").replaceChildren(tree.place, tree.more);
  tree.open(id);
}

/** Turns that follow one another stand in one list; whatever else continues a turn stands inside it. */
class Tree {
  #id;
  #last = null;
  #turns = new Map();

  constructor(id) {
    this.#id = id;
    this.place = make("div", {});
    this.more = make("button", { type: "button", class: "quiet", onclick: () => told(this.grow()) }, "More of this tree");
  }

  async grow() {
    const query = this.#last ? `?${new URLSearchParams({ after: this.#last })}` : "";
    const page = await call("GET", `/api/responses/${this.#id}/chain${query}`);
    page.data.forEach((node) => this.#add(node));
    this.#last = page.data.at(-1)?.id;
    this.more.hidden = !page.has_more;
  }

  open(id) {
    const turn = this.#turns.get(id);
    if (!turn) return;
    turn.details.open = true;
    turn.row.scrollIntoView({ block: "nearest" });
  }

  #add(node) {
    const before = this.#turns.get(node.parent);
    const turn = new Turn(node);
    if (before && !before.continued) turn.line = before.line;
    else {
      turn.line = make("ul", { class: "tree" });
      (before?.row ?? this.place).append(turn.line);
    }
    if (before) before.continued = true;
    turn.line.append(turn.row);
    this.#turns.set(node.id, turn);
  }
}

class Turn {
  /** `line`: the list it stands in, filled by the tree. */
  line = null;
  continued = false;

  constructor(node) {
    this.node = node;
    this.said = make("div", {});
    const gists = [make("span", { class: "user" }, node.asked || "(nothing said)"), make("span", { class: "gist" }, node.answered)];
    const told = make("span", { class: "faint" }, `${node.status} · ${node.model} · ${when(node.created_at)}`);
    this.details = make("details", { ontoggle: () => this.#fill() }, make("summary", {}, ...gists, told), this.said);
    this.row = make("li", { class: "turn", "data-node": node.id }, this.details);
  }

  async #fill() {
    if (!this.details.open || this.said.childElementCount) return;
    const { id } = this.node;
    const path = `/api/responses/${id}/export?format=`;
    this.said.append(
      make(
        "div",
        { class: "row" },
        make("button", { type: "button", class: "quiet", onclick: () => go(id) }, this.continued ? "Branch from here" : "Continue"),
        make("a", { href: `${path}md`, download: `${id}.md` }, "Markdown"),
        make("a", { href: `${path}jsonl`, download: `${id}.jsonl` }, "JSONL"),
        make("button", { type: "button", class: "bad", onclick: (event) => told(remove(id, event.target)) }, "Delete"),
      ),
    );
    try {
      const [found, asked] = await Promise.all([call("GET", `/v1/responses/${id}`), call("GET", `/v1/responses/${id}/input_items?order=desc&limit=1`)]);
      this.said.prepend(...asked.data.map((item) => shown(item, "asked")), ...found.output.map((item) => shown(item, "text")));
    } catch (error) {
      this.said.prepend(make("p", { class: "error", role: "alert" }, error.message));
    }
  }
}

/** One item, whole. `kind`: how its text looks. */
function shown(item, kind) {
  if (item.type === "reasoning") {
    const text = (item.content ?? []).map((part) => part.text).join("");
    return make("details", { class: "thought" }, make("summary", {}, "Thought"), make("div", {}, text));
  }
  if (item.type === "message") return make("div", { class: kind }, item.content.map((part) => part.text ?? "").join(""));
  const said = item.arguments ?? item.input ?? item.output ?? "";
  return make("div", { class: "call" }, make("strong", {}, item.name ?? item.type), make("pre", {}, pretty(typeof said === "string" ? said : JSON.stringify(said))));
}

/** The first press asks, the second deletes. */
async function remove(id, button) {
  if (button.dataset.sure === undefined) {
    button.dataset.sure = "";
    button.textContent = "Really delete?";
    return;
  }
  await call("DELETE", `/v1/responses/${id}`);
  gone(id);
  byId("tree").replaceChildren(make("p", { class: "faint", role: "status" }, "Deleted. What continues it keeps its context."));
  await list(false);
}

/** Whatever goes wrong is said where the answer would stand. */
function told(work) {
  return work.catch((error) => byId("tree").replaceChildren(make("p", { class: "error", role: "alert" }, error.message)));
}

let go = () => {};
let gone = () => {};

/** `go(id)` is called to go on from a response, `gone(id)` when one was deleted. */
export function openChains(calls) {
  ({ go, gone } = calls);
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    told(list(false));
  });
  byId("older").addEventListener("click", () => told(list(true)));
}

export const refreshChains = () => told(list(false));
