"""Golden traces: what a model said, and every event that the timeline must make of it.

`tests/traces/NAME/` holds `request.json`, `parts.jsonl` and `events.jsonl`; `make traces` writes
the last anew, and its diff is the review. Where there is a `said.DIALECT.txt`, the parts are what
is read of it. Knows no server: it says what JSON and SSE must show.
"""

import itertools
from pathlib import Path

import msgspec

from mlx_responses import dialects
from mlx_responses.hearing import Hearing
from mlx_responses.offer import make_offer
from mlx_responses.parts import Part, Said
from mlx_responses.timeline import Timeline
from mlx_responses.wire import codec
from mlx_responses.wire.events import Event
from mlx_responses.wire.request import CreateResponse
from mlx_responses.wire.response import Response

FOLDER = Path(__file__).parent.parent / "tests" / "traces"
CLOCK = 1_800_000_000
"""When every trace's response was created, in Unix seconds."""
DONE = b"data: [DONE]\n\n"
LOGPROBS = "message.output_text.logprobs"


class Trace(msgspec.Struct, frozen=True):
    """One trace as it lies on disk; `events` are lines of JSON, as bytes."""

    name: str
    body: bytes
    parts: list[Part]
    events: bytes
    said: tuple[str, str] | None = None
    """(dialect, what a model that speaks it wrote)."""

    @property
    def request(self) -> CreateResponse:
        """The decoded body."""
        return codec.decode_request(self.body)[0]

    @property
    def sse(self) -> bytes:
        """What a streaming client must read, to the byte."""
        said = [(msgspec.json.decode(line)["type"], line) for line in self.events.splitlines()]
        frames = [b"event: %b\ndata: %b\n\n" % (kind.encode(), line) for kind, line in said]
        return b"".join(frames) + DONE

    @property
    def json(self) -> bytes:
        """What a client that does not stream must read: the last snapshot, to the byte."""
        return codec.encode(replay(self)[1])


def names() -> list[str]:
    """Every trace there is."""
    return sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())


def read(name: str) -> Trace:
    """One trace; its events are empty when they were never written."""
    folder = FOLDER / name
    parts = msgspec.json.Decoder(Part).decode_lines((folder / "parts.jsonl").read_bytes())
    events = folder / "events.jsonl"
    said = events.read_bytes() if events.exists() else b""
    texts = [(p.name.split(".")[1], p.read_text("utf-8")) for p in folder.glob("said.*.txt")]
    body = (folder / "request.json").read_bytes()
    return Trace(name, body, parts, said, texts[0] if texts else None)


def heard(dialect: str, text: str, request: CreateResponse) -> list[Said]:
    """What the client gets to hear of a model's text."""
    offer = make_offer(request.tools, request.tool_choice)
    tools = {tool.name: tool.parameters or {} for tool in offer.functions()}
    reader = dialects.reader(dialect, thinking=False, opening="", calls="bounded", tools=tools)
    hearing = Hearing(offer)
    return [part for one in [*reader.feed(text), *reader.finish()] for part in hearing.hear(one)]


def begin(request: CreateResponse) -> Timeline:
    """A timeline whose ids and clock are the same every time."""
    response = Response(
        id="resp_0",
        created_at=CLOCK,
        model=request.model,
        instructions=request.instructions,
        background=request.background,
        metadata=request.metadata,
    )
    numbers = itertools.count(1)
    return Timeline(
        response,
        lambda prefix: f"{prefix}_{next(numbers)}",
        include_logprobs=LOGPROBS in request.include,
    )


def replay(trace: Trace) -> tuple[list[Event], Response]:
    """The events that the trace's parts make today, and the last snapshot."""
    timeline = begin(trace.request)
    events = timeline.start()
    for part in trace.parts:
        events += timeline.apply(part)
    return events, timeline.snapshot


def lines(events: list[Event]) -> bytes:
    """Events as they are kept: one a line."""
    return b"".join(codec.encode(event) + b"\n" for event in events)


def main() -> None:
    """Write every trace's events anew."""
    for name in names():
        events, _ = replay(read(name))
        (FOLDER / name / "events.jsonl").write_bytes(lines(events))


if __name__ == "__main__":
    main()
