"""What every dialect offers: a Reader of one turn, and how to tell that a model speaks it.

Knows no model family; each has a file of its own beside this one.
"""

from collections.abc import Callable
from typing import Protocol

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


class Dialect(msgspec.Struct, frozen=True):
    """One way of writing thoughts and calls.

    reader      opening text -> Reader; None as the opening: it is unknown, assume a thought
    recognises  (control texts, chat template) -> does a model with these speak it?
    brackets    the texts before and after a call, None where calls cannot be written
    """

    name: str
    reader: Callable[[str | None], Reader]
    recognises: Callable[[frozenset[str], str], bool]
    brackets: tuple[str, str] | None = None
