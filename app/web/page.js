// The page's frame: sections as tabs, light and dark. Starts the sections.

import { openChains, refreshChains } from "./chains.js";
import { watch } from "./dashboard.js";
import { byId, make } from "./elements.js";
import { begin, forget, openPlayground } from "./playground.js";

const tabs = [...document.querySelectorAll("[role=tab]")];

function choose(tab) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    byId(one.getAttribute("aria-controls")).hidden = !chosen;
  }
  watch(tab.id === "tab-server");
  if (tab.id === "tab-history") refreshChains();
}

for (const [at, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(at + step + tabs.length) % tabs.length];
    next.focus();
    choose(next);
  });
}

function theme(name) {
  if (name) document.documentElement.dataset.theme = name;
}

byId("theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  theme(next);
  localStorage.setItem("theme", next);
});

theme(localStorage.getItem("theme"));
openChains({
  go: (id) => {
    choose(byId("tab-play"));
    begin(id);
  },
  gone: forget,
});
openPlayground().catch((error) => byId("log").append(make("p", { class: "error", role: "alert" }, error.message)));
