"""What a handler says of itself for /openapi.json: handlers read bodies and queries on their own,
so that refusals are the API's; their signatures tell nothing. Knows no path.
"""

from typing import Any

import msgspec

KEY = "operation"
"""Of a handler's `opt`."""
JSON = "application/json"


class Query(msgspec.Struct, frozen=True):
    """A parameter of a query string. `kind`: the type of its value; `style` as OpenAPI has it."""

    name: str
    kind: Any
    about: str
    style: str | None = None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One verb of a path.

    summary   what it does, in a few words; the rest is the handler's docstring
    body      the type of the JSON body, if it takes one
    optional  whether the body may be missing
    example   a body that works on any server
    answer    the type of what is answered; None: text of `media`, if that is no JSON
    events    the type of one server-sent event, where it can be asked to stream
    refusals  statuses beside those that follow from the above
    """

    summary: str
    body: Any = None
    optional: bool = False
    example: Any = None
    answer: Any = None
    media: str = JSON
    events: Any = None
    queries: tuple[Query, ...] = ()
    refusals: tuple[int, ...] = ()

    @property
    def opt(self) -> dict[str, Any]:
        """As a handler carries it."""
        return {KEY: self}

    @property
    def kinds(self) -> list[Any]:
        """The types that it needs schemas of."""
        named = [self.body, self.answer, self.events, *(query.kind for query in self.queries)]
        return [kind for kind in named if kind is not None]
