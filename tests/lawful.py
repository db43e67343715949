"""Reads a stream of events as a strict client would, and fails at the first broken rule.

Works on decoded JSON alone, whichever way it came; knows nothing of the code that made it.
"""

from typing import Any

Json = dict[str, Any]

LIFECYCLE = {"response.created", "response.queued", "response.in_progress"}
TERMINAL = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}
DELTAS = {
    "response.output_text.delta": "output_text",
    "response.reasoning_text.delta": "reasoning_text",
    "response.reasoning.delta": "reasoning_text",
    "response.function_call_arguments.delta": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
}
WHOLES = {
    "response.output_text.done": ("output_text", "text"),
    "response.reasoning_text.done": ("reasoning_text", "text"),
    "response.reasoning.done": ("reasoning_text", "text"),
    "response.function_call_arguments.done": ("function_call", "arguments"),
    "response.custom_tool_call_input.done": ("custom_tool_call", "input"),
}
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


class StrictReader:
    """The state of one stream; `read` takes the next event."""

    def __init__(self) -> None:
        self.count = 0
        self.id: str | None = None
        self.done: list[Json] = []
        self.item: Json | None = None  # as it was added
        self.part: str | None = None  # the type of the open part
        self.text = ""  # the deltas of the open part or call
        self.logprobs: list[Json] = []
        self.whole: str | None = None  # the text that a done event gave
        self.parts: list[Json] = []  # of the open item
        self.error: Json | None = None
        self.end: Json | None = None  # the terminal response

    def read(self, event: Json) -> None:
        assert self.end is None, "nothing follows the terminal event"
        assert event["sequence_number"] == self.count
        kind = event["type"]
        assert (kind == "response.created") == (self.count == 0)
        self.count += 1
        assert self.error is None or kind == "response.failed"
        if "response" in event:
            self.lifecycle(kind, event["response"])
        elif kind == "error":
            assert self.item is None
            self.error = event
        elif kind == "response.output_item.added":
            self.item_added(event)
        else:
            self.inside(kind, event)

    def lifecycle(self, kind: str, response: Json) -> None:
        self.id = self.id or response["id"]
        assert response["id"] == self.id
        if kind in LIFECYCLE:
            assert response["status"] in {"queued", "in_progress"}
            assert response["usage"] is None
            assert response["output"][: len(self.done)] == self.done
            return
        assert response["status"] == TERMINAL[kind]
        assert self.item is None, "every added item is done before the end"
        assert response["output"] == self.done
        assert response["output_text"] == said(self.done)
        assert (response["completed_at"] is not None) == (response["status"] == "completed")
        assert (response["error"] is not None) == (response["status"] == "failed")
        assert (response["incomplete_details"] is not None) == (response["status"] == "incomplete")
        usage = response["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        self.end = response

    def item_added(self, event: Json) -> None:
        assert self.item is None, "one item at a time"
        assert event["output_index"] == len(self.done)
        self.item = event["item"]
        # A compaction has no status and is whole from the start.
        assert self.item["type"] == "compaction" or self.item["status"] == "in_progress"
        assert not self.item.get("content")
        assert not self.item.get(CALLS.get(self.item["type"], ""), "")
        self.text, self.logprobs, self.whole, self.parts = "", [], None, []

    def inside(self, kind: str, event: Json) -> None:
        assert self.item is not None, f"{kind} outside an item"
        assert event["output_index"] == len(self.done)
        assert event.get("item_id", self.item["id"]) == self.item["id"]
        if kind == "response.output_item.done":
            return self.item_done(event["item"])
        assert event.get("content_index", 0) == len(self.parts)
        if kind == "response.content_part.added":
            assert self.part is None
            self.part, self.text, self.logprobs, self.whole = event["part"]["type"], "", [], None
            assert event["part"]["text"] == ""
        elif kind == "response.content_part.done":
            assert event["part"]["type"] == self.part
            assert event["part"]["text"] == self.whole
            assert event["part"].get("logprobs", []) == self.logprobs
            self.parts.append(event["part"])
            self.part = None
        else:
            self.inside_part(kind, event)
        return None

    def inside_part(self, kind: str, event: Json) -> None:
        assert self.item is not None
        assert self.whole is None
        of = self.part or self.item["type"]
        if kind in DELTAS:
            assert DELTAS[kind] == of
            assert event["delta"], "no empty deltas"
            self.text += event["delta"]
            self.logprobs += event.get("logprobs", [])
            return
        wanted, field = WHOLES[kind]
        assert wanted == of
        assert event[field] == self.text
        self.logprobs = event.get("logprobs", self.logprobs)
        self.whole = event[field]

    def item_done(self, item: Json) -> None:
        assert self.item is not None
        assert self.part is None, "every added part is done before its item"
        for name in ("id", "type", "call_id", "name", "role"):
            assert item.get(name) == self.item.get(name)
        assert item["type"] == "compaction" or item["status"] in {"completed", "incomplete"}
        assert all(before.get("status") in {"completed", None} for before in self.done)
        assert item.get("content", []) == self.parts
        if item["type"] in CALLS:
            assert item[CALLS[item["type"]]] == self.whole
        self.done.append(item)
        self.item = None


def said(items: list[Json]) -> str:
    """All text of the messages."""
    return "".join(
        part["text"] for item in items if item["type"] == "message" for part in item["content"]
    )


def assert_lawful(events: list[Json], last: Json) -> None:
    """The stream keeps every rule, and `last` is the response that a reader ends with."""
    reader = StrictReader()
    for event in events:
        reader.read(event)
    if last["status"] == "cancelled":
        assert reader.end is None, "no event exists for a cancelled turn"
        assert last["output"][: len(reader.done)] == reader.done
    else:
        assert reader.end == last
