// What is stored: a list, and the tree that one of them is part of. Continue, branch, export, delete.

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
    make("li", {}, make("button", { type: "button", "data-id": one.id, onclick: () => show(one.id) }, gist(one.output), make("span", { class: "faint" }, ` ${when(one.created_at)}`))),
  );
  if (more) byId("stored").append(...rows);
  else byId("stored").replaceChildren(...(rows.length ? rows : [make("li", { class: "faint" }, "Nothing is stored.")]));
  byId("older").hidden = !page.has_more;
}

async function show(id) {
  for (const button of byId("stored").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.id === id));
  }
  const tree = await call("GET", `/api/responses/${id}/chain`);
  const below = byParent(tree.data);
  const known = new Set(tree.data.map((node) => node.id));
  const roots = tree.data.filter((node) => !known.has(node.parent));
  const place = byId("tree");
  place.replaceChildren(await branch(roots, below));
  if (tree.has_more) place.append(make("p", { class: "faint" }, "There are more than these 1,000."));
}

function byParent(nodes) {
  const found = new Map();
  for (const node of nodes) found.set(node.parent, [...(found.get(node.parent) ?? []), node]);
  return found;
}

async function branch(nodes, below) {
  const rows = await Promise.all(nodes.map((node) => row(node, below)));
  return make("ul", { class: "tree" }, ...rows);
}

async function row(node, below) {
  const found = await call("GET", `/v1/responses/${node.id}`).catch(() => null);
  const asked = await call("GET", `/v1/responses/${node.id}/input_items?order=desc&limit=1`).catch(() => ({ data: [] }));
  const children = below.get(node.id) ?? [];
  const answer = found?.output.map((item) => shown(item)) ?? [];
  const path = `/api/responses/${node.id}/export?format=`;
  const deeds = make(
    "div",
    { class: "row" },
    make("button", { type: "button", class: "quiet", onclick: () => go(node.id) }, children.length ? "Branch from here" : "Continue"),
    make("a", { href: `${path}md`, download: `${node.id}.md` }, "Markdown"),
    make("a", { href: `${path}jsonl`, download: `${node.id}.jsonl` }, "JSONL"),
    make("button", { type: "button", class: "bad", onclick: (event) => remove(node.id, event.target) }, "Delete"),
  );
  const item = make("li", { class: "turn", "data-node": node.id }, make("div", { class: "user" }, gist(asked.data)), ...answer, make("p", { class: "faint" }, `${node.status} · ${node.model} · ${when(node.created_at)}`), deeds);
  if (children.length) item.append(await branch(children, below));
  return item;
}

function shown(item) {
  if (item.type === "reasoning") {
    const text = (item.content ?? []).map((part) => part.text).join("");
    return make("details", { class: "thought" }, make("summary", {}, "Thought"), make("div", {}, text));
  }
  if (item.type === "message") return make("div", { class: "text" }, item.content.map((part) => part.text ?? "").join(""));
  return make("div", { class: "call" }, make("strong", {}, item.name ?? item.type), make("pre", {}, pretty(item.arguments ?? item.input ?? "")));
}

/** The first press asks, the second deletes. */
async function remove(id, button) {
  if (button.dataset.sure === undefined) {
    button.dataset.sure = "";
    button.textContent = "Really delete?";
    return;
  }
  await call("DELETE", `/v1/responses/${id}`);
  byId("tree").replaceChildren(make("p", { class: "faint" }, "Deleted. What continues it keeps its context."));
  await list(false);
}

let go = () => {};

export function openChains(continueFrom) {
  go = continueFrom;
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    list(false);
  });
  byId("older").addEventListener("click", () => list(true));
}

export const refreshChains = () => list(false);
