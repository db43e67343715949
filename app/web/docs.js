// The API as openapi.json tells it: every path, what it takes and what it gives.

import { byId, make, pretty } from "./elements.js";
import { call } from "./server.js";

function named(schema) {
  return schema?.$ref?.split("/").pop() ?? schema?.type ?? "";
}

function content(told) {
  return Object.entries(told?.content ?? {}).map(([media, { schema }]) => `${media} ${named(schema)}`).join(", ");
}

function operation(method, path, told) {
  const parameters = (told.parameters ?? []).map((one) =>
    make("li", {}, make("code", {}, one.name), ` (${one.in}${one.required ? ", required" : ""}) ${one.description ?? ""}`),
  );
  const responses = Object.entries(told.responses ?? {}).map(([status, one]) =>
    make("li", {}, make("strong", {}, status), ` ${one.description} ${content(one)}`),
  );
  return make(
    "details",
    { class: "panel" },
    make("summary", {}, make("strong", {}, method.toUpperCase()), ` ${path} `, make("span", { class: "faint" }, told.summary ?? "")),
    make("p", {}, told.description ?? ""),
    make("p", {}, told.requestBody ? `Takes ${content(told.requestBody)}` : "Takes no body."),
    make("ul", {}, ...parameters),
    make("ul", {}, ...responses),
  );
}

const told = await call("GET", "/openapi.json");
const paths = Object.entries(told.paths).flatMap(([path, methods]) =>
  Object.entries(methods).filter(([, one]) => one.responses).map(([method, one]) => operation(method, path, one)),
);
const types = Object.entries(told.components?.schemas ?? {}).map(([name, schema]) =>
  make("details", { class: "panel", id: name }, make("summary", {}, name), make("pre", {}, pretty(JSON.stringify(schema)))),
);
byId("paths").replaceChildren(make("h2", {}, "Paths"), ...paths, make("h2", {}, "Types"), ...types);
byId("paths").removeAttribute("aria-busy");
