"""One JSON Schema document: its bounds, where its parts are, and what its references point at.

Knows where a schema is, not what its keywords mean.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urljoin

from mlx_responses.errors import RequestError

MAX_VALUES = 50_000
"""JSON values in one document; ten times what strict mode allows properties."""
MAX_CHARACTERS = 2_000_000
"""Of names and strings together."""
MAX_DEPTH = 100
"""Levels of nesting, well inside Python's recursion limit."""

OLD_DRAFT = re.compile(r"draft-0[3467]/")
"""Before 2019-09 a `$ref` hides its siblings."""

Schema = dict[str, Any] | bool
Way = tuple[()] | tuple["Way", str | int]
"""How a part is reached: the way to what it is in, and the last step. Empty: the root."""


def refused(message: str, pointer: str = "") -> RequestError:
    """A refusal that names the place; the caller adds `param`."""
    place = f" (at #{pointer})" if pointer else ""
    return RequestError(f"The schema cannot be enforced: {message}{place}.", code=CODE)


CODE = "invalid_json_schema"


def escaped(name: str) -> str:
    """A key as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _pointer(way: Way) -> str:
    steps: list[str] = []
    while way:
        way, step = way
        steps.append(f"/{escaped(str(step))}")
    return "".join(reversed(steps))


class Document:
    """Schemas by number. 0 is `false`, 1 the root; others get theirs when they are first met."""

    def __init__(self, root: Any) -> None:
        """Raises `RequestError` for what is no schema, too large or too deep."""
        if not isinstance(root, dict | bool):
            raise RequestError("A JSON Schema is an object or a boolean.", code=CODE)
        self.root = root
        self._schemas: list[Schema] = [False]
        self._pointers = [""]
        self._numbers: dict[str, int] = {}
        self._alike: dict[str, int] = {}
        """What a small schema says -> the number of the first that says so."""
        self._anchors: dict[str, str] = {}
        """Absolute URI, or fragment name with `#` -> pointer."""
        self._bases: dict[str, str] = {}
        """Pointer of an embedded resource -> its URI."""
        self._survey(root)
        declared = root.get("$schema") if isinstance(root, dict) else None
        self.hides_siblings = bool(OLD_DRAFT.search(str(declared)))
        self.number("")

    def _survey(self, root: Schema) -> None:
        """Count and measure everything, and note every name that a reference may use."""
        values, characters = 1, 0
        stack: list[tuple[Any, Way, int]] = [(root, (), 0)]
        while stack:
            value, way, depth = stack.pop()
            steps: Iterable[tuple[str | int, Any]] = ()
            if isinstance(value, list):
                steps = enumerate(value)
            elif isinstance(value, dict):
                self._note_names(value, way)
                characters += sum(map(len, value))
                steps = value.items()
            for step, part in steps:
                values += 1
                if isinstance(part, str):
                    characters += len(part)
                elif isinstance(part, dict | list):
                    stack.append((part, (way, step), depth + 1))
            if values > MAX_VALUES or depth > MAX_DEPTH or characters > MAX_CHARACTERS:
                raise RequestError(
                    f"The schema is too large: at most {MAX_VALUES} values, {MAX_CHARACTERS} "
                    f"characters and {MAX_DEPTH} levels.",
                    code=CODE,
                )

    def _note_names(self, schema: dict[str, Any], way: Way) -> None:
        name, anchor = schema.get("$id", schema.get("id")), schema.get("$anchor")
        if not isinstance(name, str) and not isinstance(anchor, str):
            return
        pointer = _pointer(way)
        if isinstance(name, str) and name.startswith("#"):
            self._anchors.setdefault(name, pointer)
        elif isinstance(name, str) and name:
            uri = urljoin(self._base(pointer), name)
            self._bases[pointer] = uri
            self._anchors.setdefault(uri.rstrip("#"), pointer)
        if isinstance(anchor, str):
            self._anchors.setdefault(f"#{anchor}", pointer)

    def _resource(self, pointer: str) -> str:
        """The innermost embedded resource around a place; the root's pointer is empty."""
        while pointer and pointer not in self._bases:
            pointer = pointer.rpartition("/")[0]
        return pointer

    def _base(self, pointer: str) -> str:
        return self._bases.get(self._resource(pointer), "")

    def number(self, pointer: str) -> int:
        """The number of the schema at a place. Raises `RequestError` if there is none."""
        known = self._numbers.get(pointer)
        return self.numbered(pointer, self._look_up(pointer)) if known is None else known

    def numbered(self, pointer: str, schema: Any) -> int:
        """The same where the schema is at hand."""
        known = self._numbers.get(pointer)
        if known is not None:
            return known
        if not isinstance(schema, dict | bool):
            raise refused("there is no schema here", pointer)
        number = len(self._schemas)
        if (said := self._said(schema)) is not None:
            number = self._alike.setdefault(said, number)
        if number == len(self._schemas):
            self._schemas.append(schema)
            self._pointers.append(pointer)
        self._numbers[pointer] = number
        return number

    def _said(self, schema: Schema) -> str | None:
        """What a small schema says, its annotations apart: thousands of members are often of a few
        kinds, and each kind is worked out once. None: it is large, or its place has to do with it.
        """
        if isinstance(schema, bool):
            return repr(schema)
        elsewhere = _NAMES | _REFERENCES if self._bases else _NAMES
        said = {key: value for key, value in schema.items() if key not in _IGNORED}
        return repr(said) if _values_in(said, elsewhere) <= _MAX_ALIKE else None

    def add(self, schema: Schema) -> int:
        """The number of a schema from outside, without references."""
        self._schemas.append(schema)
        self._pointers.append("")
        return len(self._schemas) - 1

    def schema(self, number: int) -> Schema:
        """The schema of that number."""
        return self._schemas[number]

    def pointer(self, number: int) -> str:
        """Its place."""
        return self._pointers[number]

    def _look_up(self, pointer: str) -> Any:
        value: Any = self.root
        for step in pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and name in value:
                value = value[name]
            elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            else:
                return None
        return value

    def target(self, reference: Any, pointer: str) -> int:
        """The number of the schema that a `$ref` at `pointer` means. Raises `RequestError`."""
        if not isinstance(reference, str):
            raise refused("$ref is no string", pointer)
        address, _, fragment = reference.partition("#")
        start = self._resource(pointer)
        if address:
            known = self._anchors.get(urljoin(self._base(pointer), address))
            if known is None:
                raise refused(f"$ref {reference!r} points outside the document", pointer)
            start = known
        if fragment and not fragment.startswith("/"):
            named = self._anchors.get(f"#{fragment}")
            if named is None:
                raise refused(f"$ref {reference!r} names no anchor", pointer)
            return self.number(named)
        within = start + unquote(fragment)
        if not isinstance(self._look_up(within), dict | bool):
            within = unquote(fragment)
        if not isinstance(self._look_up(within), dict | bool):
            raise refused(f"$ref {reference!r} points at nothing", pointer)
        return self.number(within)


_IGNORED = frozenset(("title", "description", "default", "examples"))
_NAMES = frozenset(("$id", "id", "$anchor"))
_REFERENCES = frozenset(("$ref", "$dynamicRef", "$recursiveRef"))
_MAX_ALIKE = 24
"""Values inside a schema that is compared with others: what is larger is seldom said twice."""


def _values_in(value: Any, elsewhere: frozenset[str]) -> int:
    """How many JSON values are in one, up to `_MAX_ALIKE` and a few; as many if a key in it says
    that what it means depends on its place.
    """
    parts: Iterable[Any] = ()
    if isinstance(value, list):
        parts = value
    elif isinstance(value, dict):
        if any(isinstance(value.get(key), str) for key in elsewhere):
            return _MAX_ALIKE + 1
        parts = value.values()
    count = 1
    for part in parts:
        count += 1 if isinstance(part, str | int | float | None) else _values_in(part, elsewhere)
        if count > _MAX_ALIKE:
            break
    return count
