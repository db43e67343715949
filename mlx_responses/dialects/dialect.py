"""What every dialect offers: a Reader of one turn, how to tell that a model speaks it, and how it
writes what a grammar may have to force.

Knows no model family; each has a file of its own beside this one.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from mlx_responses.parts import Said


class Reader(Protocol):
    """Reads one turn of a model's raw text. Never raises on what the model wrote.

    What cannot be parsed becomes text; nothing is dropped but markers and the newlines around
    them. However the text is cut into `feed`s, the parts are the same once neighbours are joined.
    Nothing but its deltas stands between a call's start and its end; only the last call of a turn
    may lack its end, when the text ended inside it.
    """

    def feed(self, text: str) -> list[Said]:
        """The parts that are certain now. A delta's `at` counts characters of the raw text."""
        ...

    def finish(self) -> list[Said]:
        """The rest, once the model has stopped. Call it once."""
        ...


Schema = Mapping[str, Any]
"""JSON Schema of a tool's parameters, as the client sent it: it may be anything."""


class Ear(msgspec.Struct, frozen=True):
    """What a reader is told of its turn.

    opening  the text that the prompt put in front of the answer; None: unknown, assume a thought
    calls    whether calls are read; if not, their markers are text
    tools    the schemas of the tools' parameters by name; None: unknown
    bounded  a grammar holds what begins as the dialect's `forms` do, so only that is a call
    """

    opening: str | None = ""
    calls: bool = True
    tools: Mapping[str, Schema] | None = None
    bounded: bool = False

    def ends_with(self, marker: str) -> bool:
        """Is the thought that `marker` begins open already?"""
        return self.opening is None or self.opening.rstrip().endswith(marker.rstrip())

    def schema(self, name: str) -> Schema | None:
        """The parameters of the tool `name`, if they are known."""
        return None if self.tools is None else self.tools.get(name)


class Parameters(msgspec.Struct, frozen=True):
    """How arguments are written one by one: before NAME between VALUE after, for each.

    Values of strings stand as they are, or, where not `raw`, as JSON like all others; where strings
    are quoted, `quote` is the mark on both sides. `separator` stands between two parameters. `{}`
    in `between` is where the first of `kinds` is written before a string, the second before another
    value. What
    ends a value cannot be part of one, and neither can any of `unsaid`.
    """

    before: str
    between: str
    after: str
    separator: str = ""
    kinds: tuple[str, str] = ("true", "false")
    quote: str = ""
    raw: bool = True
    unsaid: tuple[str, ...] = ()


class Brackets(msgspec.Struct, frozen=True):
    """How one call is written: marker head NAME middle ARGUMENTS foot.

    marker      tells a call from text
    separator   between one call and the next, which begins with the marker again
    parameters  how the arguments are written; None: they are one JSON object
    at_start    only what an answer begins with, but for blanks, is such a call
    """

    marker: str
    head: str
    middle: str
    foot: str
    separator: str = ""
    parameters: Parameters | None = None
    at_start: bool = False


def json_brackets(marker: str, before: str, after: str, key: str = "arguments") -> Brackets:
    """`{"name": ..., "arguments": {...}}` after the marker and `before`, with `after` behind it."""
    return Brackets(marker, f'{before}{{"name": "', f'", "{key}": ', f"}}{after}", "\n")


class Dialect(msgspec.Struct, frozen=True):
    """One way of writing thoughts and calls.

    reader      makes a Reader of one turn
    recognises  (control texts, chat template, model_type) -> does such a model speak it?
    forms       how a call may be written, the usual way first; empty where none can be
    thought     the texts around a thought, None where there are none
    answer      what stands between a thought, or the opening, and the visible answer
    """

    name: str
    reader: Callable[[Ear], Reader]
    recognises: Callable[[frozenset[str], str, str], bool]
    forms: tuple[Brackets, ...] = ()
    thought: tuple[str, str] | None = None
    answer: str = ""
