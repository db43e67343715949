"""Calls written as JSON, read while the model is writing them: `{"name": ..., "arguments": {...}}`,
lists of such objects, and arguments that stand alone behind a name.

Knows no markers: where a call begins and what stands around it is the dialect's business.
"""

import json
from collections.abc import Callable, Generator
from typing import Literal

from mlx_responses.dialects.dialect import Ear
from mlx_responses.dialects.scan import Scan, Walk
from mlx_responses.parts import CallDelta, CallEnded, CallStarted, Said

Chars = Generator[None, str, str]
"""Takes the text one character at a time and returns what it read."""

CLOSING = {"{": "}", "[": "]"}


class NotJson(Exception):
    """The text cannot be a call. Stays inside this file."""


class JsonCall:
    """The call so far: `name` once it is known, and what became of the text.

    state   open: more may come; whole: the object is closed; broken: it is no JSON object
    keys    what the arguments may be called

    With a `name` given, the arguments stand alone.

    Keys may come in either order, others are skipped; a call without arguments has `{}`. What
    streams is the raw text of the arguments, or, when a model wrote them as one string, the text
    in it. Only what decides where they end is checked, so they may be bad JSON. A call that breaks
    after its name ends there, with the arguments as they are: the model has left it, and the client
    can tell it what was wrong.
    """

    def __init__(self, name: str | None = None, keys: tuple[str, ...] = ("arguments",)) -> None:
        self.name = name
        self._keys = keys
        self.state: Literal["open", "whole", "broken"] = "open"
        self._unsaid = ""
        self._partial: list[str] = []
        """Arguments that stream only once they are read whole, since they are no object."""
        self._arguments: Literal["awaited", "begun", "whole", "ended"] = "awaited"
        self.argues = False
        """Have the arguments begun?"""
        self._started = False
        self._steps = self._object() if name is None else self._bare_arguments()
        next(self._steps)

    def feed(self, text: str) -> int:
        """Read on; how many characters of `text` belong to the call."""
        for count, char in enumerate(text):
            try:
                self._steps.send(char)
            except StopIteration:
                self.state = "whole"
                return count + 1
            except NotJson:
                self.state = "broken"
                self._end_arguments()
                return count
        return len(text)

    def take(self) -> list[Said]:
        """The parts that are new since the last time; none before the name is known."""
        said: list[Said] = []
        if self.name is None:
            return said
        if not self._started:
            self._started = True
            said.append(CallStarted(self.name))
        if self._unsaid:
            said.append(CallDelta(self._unsaid))
            self._unsaid = ""
        if self._arguments == "whole":
            self._arguments = "ended"
            said.append(CallEnded())
        return said

    def finish(self) -> list[Said]:
        """The parts that are left when the text has ended."""
        if self._arguments == "begun":
            self._say("".join(self._partial))
        return self.take()

    def _object(self) -> Chars:
        if (yield from after_blank()) != "{":
            raise NotJson
        after = ","
        while after == ",":
            char = yield from after_blank()
            if char != '"':
                after = char
                break
            key = decoded((yield from string_tail([])))
            if (yield from after_blank()) != ":":
                raise NotJson
            after = yield from self._value(key)
        if after != "}":
            raise NotJson
        self._end_arguments()
        return after

    def _value(self, key: str) -> Chars:
        """Read one value; return the first character after it that is not blank."""
        first = yield from after_blank()
        if key == "name" and self.name is None:
            if first != '"':
                raise NotJson
            name = decoded((yield from string_tail([])))
            if not name:
                raise NotJson
            self.name = name
        elif key in self._keys and self._arguments == "awaited":
            return (yield from self._arguments_value(first))
        elif first == '"':
            yield from string_tail([])
        elif first in CLOSING:
            yield from nested(first, lambda _char: None)
        else:
            return (yield from scalar_tail([first]))
        return (yield from after_blank())

    def _bare_arguments(self) -> Chars:
        """An object or a list, and nothing around it."""
        first = yield from after_blank()
        if first not in CLOSING:
            raise NotJson
        self._arguments = "begun"
        last = yield from nested(first, self._say)
        self._end_arguments()
        return last

    def _arguments_value(self, first: str) -> Chars:
        self._arguments = "begun"
        self.argues = True
        after = ""
        if first in CLOSING:
            yield from nested(first, self._say)
        elif first == '"':
            raw = yield from string_tail(self._partial)
            try:
                self._say(decoded(raw))
            except NotJson:
                self._say(f'"{raw}"')
        else:
            self._partial.append(first)
            after = yield from scalar_tail(self._partial)
            value = "".join(self._partial)
            self._say("{}" if value == "null" else value)
        self._end_arguments()
        return after or (yield from after_blank())

    def _end_arguments(self) -> None:
        if self._arguments == "awaited":
            self._unsaid = "{}"
        if self._arguments != "ended":
            self._arguments = "whole"

    def _say(self, text: str) -> None:
        self._unsaid += text


def read_call(scan: Scan, call: JsonCall, lead: int = 0) -> Walk[bool]:
    """A call behind `lead` characters; takes all up to its end. False, and takes nothing, if it is
    none.
    """
    read = lead
    while True:
        read += call.feed(scan.text[read:])
        if call.name is not None:
            scan.take(read)
            read = 0
            scan.said += call.take()
        if call.state != "open":
            return call.name is not None
        if scan.final:
            scan.said += call.finish()
            return call.name is not None
        yield


def read_block(closing: str) -> Callable[[Scan, int, Ear], Walk[bool]]:
    """What reads one call, or a list of them, up to `closing`, which may be missing."""

    def read(scan: Scan, lead: int, _ear: Ear) -> Walk[bool]:
        blanks = yield from scan.blanks(lead)
        if (yield from scan.sees("[", start=lead + blanks)):
            found = yield from _read_list(scan, lead + blanks + 1)
        else:
            found = yield from read_call(scan, JsonCall(), lead)
        if found and closing:
            yield from close(scan, closing)
        return found

    return read


def _read_list(scan: Scan, lead: int) -> Walk[bool]:
    """Calls between commas up to a bracket."""
    count = 0
    while (yield from read_call(scan, JsonCall(), lead)):
        count += 1
        lead = yield from scan.blanks()
        mark = yield from scan.sees(",", "]", start=lead)
        if mark != ",":
            scan.take(lead + len(mark) if mark else 0)
            return True
        lead += len(mark)
    return count > 0


def close(scan: Scan, *closings: str) -> Walk[str]:
    """Take an end marker and the blanks before it, if one stands here; returns it."""
    blanks = yield from scan.blanks()
    mark = yield from scan.sees(*closings, start=blanks)
    if mark:
        scan.take(blanks + len(mark))
    return mark


def after_blank() -> Chars:
    """Skip blanks; return the character after them."""
    while (char := (yield)) in " \t\r\n":
        pass
    return char


def string_tail(read: list[str]) -> Chars:
    """Read to the closing quote, into `read`; return what stands before it, escapes and all."""
    while (char := (yield)) != '"':
        read.append(char)
        if char == "\\":
            read.append((yield))
    return "".join(read)


def nested(first: str, say: Callable[[str], None]) -> Chars:
    """Read an object or a list to its end, telling `say` every character from `first` on."""
    awaited, char, in_string = [CLOSING[first]], first, False
    say(first)
    while awaited:
        char = yield
        if in_string:
            if char == "\\":
                say(char)
                char = yield
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in CLOSING:
            awaited.append(CLOSING[char])
        elif char in "]}":
            if char != awaited.pop():
                raise NotJson
        elif char == "<":
            # No JSON has it outside a string: the model has left the call for its end marker.
            raise NotJson
        say(char)
    return char


def scalar_tail(read: list[str]) -> Chars:
    """Read a number or a word into `read`; return the first character after it, blanks skipped."""
    if not is_scalar(read[0]):
        raise NotJson
    while is_scalar(char := (yield)):
        read.append(char)
    return (yield from after_blank()) if char in " \t\r\n" else char


def is_scalar(char: str) -> bool:
    """Can it be part of a number, of true, false or null?"""
    return char.isascii() and (char.isalnum() or char in "+-.")


def decoded(raw: str) -> str:
    """The text of a JSON string from what its quotes hold; raw line breaks may be in it."""
    try:
        text = json.loads(f'"{raw}"', strict=False)
        text.encode()
    except ValueError as error:
        raise NotJson from error
    return str(text)
