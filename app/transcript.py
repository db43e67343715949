"""A chain of items as text, to read or to keep: Markdown, or a line of JSON each. Reads no
database.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from mlx_responses.store import Item, Stored

Json = dict[str, Any]


def as_markdown(response: Stored, items: Sequence[Item]) -> str:
    """A head with the model and the id, then every item under its own."""
    head = f"# {response.id}\n\nModel {response.model}, {len(items)} items.\n"
    return "\n".join([head, *(_section(msgspec.json.decode(item.json)) for item in items)])


def as_jsonl(items: Sequence[Item]) -> str:
    """Every item as it was kept, a line each."""
    return "".join(f"{item.json.decode()}\n" for item in items)


def _section(item: Json) -> str:
    match item["type"]:
        case "message":
            return f"## {item['role'].capitalize()}\n\n{_text(item['content'])}\n"
        case "reasoning":
            thought = _text(item.get("content") or item.get("summary") or "")
            return f"## Thought\n\n{_quoted(thought)}\n"
        case kind if kind.endswith("_output"):
            output = item.get("output")
            said = output if isinstance(output, str) else _text(output)
            return f"## Output of {item.get('call_id', 'a call')}\n\n{_fenced(said)}\n"
        case kind if "name" in item:
            given = str(item.get("arguments") or item.get("input") or "")
            return f"## Call of {item['name']} ({item.get('call_id', kind)})\n\n{_fenced(given)}\n"
        case kind:
            return f"## {kind}\n\n{_fenced(msgspec.json.encode(item).decode())}\n"


def _text(content: object) -> str:
    """The text of a message's content, whichever way it is written."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n\n".join(str(part.get("text") or part.get("refusal") or "") for part in content)
    return msgspec.json.encode(content).decode()


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _fenced(text: str) -> str:
    """A fence longer than any in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
