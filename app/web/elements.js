// Makes elements. Text is always text: nothing that a model or a person wrote becomes markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** JSON with line breaks; what is no JSON stays as it is. */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function when(seconds) {
  return new Date(seconds * 1000).toLocaleString();
}

/** What people and models said in a response's items, in one line. */
export function gist(items) {
  const texts = items.flatMap((item) => {
    if (item.type === "message") return item.content.map((part) => part.text ?? "");
    return item.name ? [`${item.name}(${item.arguments ?? item.input ?? ""})`] : [];
  });
  return texts.join(" ").replace(/\s+/g, " ").trim() || "(nothing said)";
}
