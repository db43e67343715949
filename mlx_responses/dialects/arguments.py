"""The arguments object of one call, told as JSON while a model writes it in another way."""

from mlx_responses.dialects.dialect import Schema
from mlx_responses.dialects.jsoncall import JsonCall, read_call
from mlx_responses.dialects.scan import Scan, Walk, first_of, settled
from mlx_responses.dialects.values import (
    Kinds,
    escaped,
    kinds_of,
    quoted,
    streams,
    typed,
    undecided,
)
from mlx_responses.text import begun


class Arguments:
    """Starts a call and tells its arguments one by one. `end` makes the call whole."""

    def __init__(self, scan: Scan, name: str, schema: Schema | None) -> None:
        self.scan = scan
        self._schema = schema
        self._empty = True
        self._string = False
        self.kinds: Kinds = None
        """What the value of the last key may be."""
        scan.start_call(name)

    def key(self, name: str) -> None:
        """The next argument's name."""
        self.scan.argue(("{" if self._empty else ", ") + quoted(name) + ": ")
        self._empty = False
        self.kinds = kinds_of(self._schema, name)

    def value(self, json_text: str) -> None:
        """A value, or a piece of one, that is JSON already."""
        self.scan.argue(json_text)

    def string(self, text: str) -> None:
        """A piece of a string."""
        self.scan.argue(("" if self._string else '"') + escaped(text))
        self._string = True

    def escape(self, json_text: str) -> None:
        """A piece of a string that is spelled as JSON already."""
        self.string("")
        self.scan.argue(json_text)

    def end_string(self) -> None:
        """The string is whole."""
        self.scan.argue('"' if self._string else '""')
        self._string = False

    def end(self) -> None:
        """The call is whole."""
        self.scan.argue("{}" if self._empty else "}")
        self.scan.end_call()

    def read_value(self, kinds: Kinds, ends: tuple[str, ...], *, trim: bool) -> Walk[bool]:
        """A value without quotes, up to one of `ends`, which is left; False if the text ends first.

        `trim`: a line break behind the start and one before the end are layout.
        """
        scan = self.scan
        if trim and (yield from scan.sees("\n")):
            scan.take(1)
        limits = (*("\n" + end for end in ends), *ends) if trim else ends
        if kinds == frozenset(["string"]):
            return (yield from self._read_string(limits))
        while True:
            found, limit = first_of(scan.text, limits)
            held = max(begun(scan.text, end) for end in limits)
            shown = scan.text[:found] if limit else scan.text[: len(scan.text) - held]
            if streams(shown, kinds):
                return (yield from self._read_raw(limits))
            if limit:
                self.value(typed(scan.take(found), kinds))
                return True
            if not undecided(shown, kinds):
                return (yield from self._read_string(limits))
            if scan.final:
                self.value(scan.take(len(scan.text)))
                return False
            yield

    def _read_string(self, limits: tuple[str, ...]) -> Walk[bool]:
        scan = self.scan
        while not (found := first_of(scan.text, limits))[1]:
            held = 0 if scan.final else max(begun(scan.text, end) for end in limits)
            if shown := scan.take(len(scan.text) - held):
                self.string(shown)
            if scan.final:
                return False
            yield
        if shown := scan.take(found[0]):
            self.string(shown)
        self.end_string()
        return True

    def _read_raw(self, limits: tuple[str, ...]) -> Walk[bool]:
        scan = self.scan
        while not (found := first_of(scan.text, limits))[1]:
            held = 0 if scan.final else max(begun(scan.text, end) for end in limits)
            self.value(scan.take(len(scan.text) - held))
            if scan.final:
                return False
            yield
        self.value(scan.take(found[0]))
        return True


def read_arguments(scan: Scan, name: str, ends: tuple[str, ...]) -> Walk[bool]:
    """Tell a call whose arguments are one JSON object; what stands up to an end if they are none.

    Leaves the end, and takes blanks before it. False if the text ended before the arguments did.
    """
    scan.take((yield from scan.blanks()))
    if (yield from scan.sees("{", "[")):
        call = JsonCall(name)
        yield from read_call(scan, call)
        return call.state != "open"
    scan.start_call(name)
    if not (yield from scan.wait(0)):
        return False
    if (yield from scan.sees(*ends)):
        scan.argue("{}")
    while not (found := first_of(scan.text, ends))[1]:
        shown = len(scan.text) if scan.final else settled(scan.text, *ends)
        scan.argue(scan.take(shown))
        if scan.final:
            return False
        yield
    scan.argue(scan.take(settled(scan.text[: found[0]])))
    scan.end_call()
    return True
