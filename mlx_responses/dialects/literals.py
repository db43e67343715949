"""Values as Python or Gemma write them, told as JSON while they are read.

Objects, lists and tuples nest; keys may be bare or quoted; a bare word that is no number and no
constant is a string. Knows no calls.
"""

import re
import sys

from mlx_responses.dialects.arguments import Arguments
from mlx_responses.dialects.scan import Scan, Walk
from mlx_responses.dialects.values import WORDS, parsed, quoted

CLOSING = {"{": "}", "[": "]", "(": ")"}
ENDS_WORD = frozenset(" \t\r\n,:={}[]()\"'<")
SHORT = {"n": "\\n", "t": "\\t", "r": "\\r", "b": "\\b", "f": "\\f", "\n": "", "/": "/"}
"""Escapes that JSON has too, or that stand for nothing; quotes and the backslash stay escaped."""

HEX = {"x": 2, "u": 4, "U": 8}
HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
MAX_WORD = 256
"""Characters of a bare word; longer ones are no value."""


class Literal:
    """Reads one value.

    quotes   marks around strings, longest first; of those in `PLAIN` backslashes escape
    """

    PLAIN = ('"', "'")

    def __init__(self, arguments: Arguments, quotes: tuple[str, ...]) -> None:
        self._arguments = arguments
        self._scan: Scan = arguments.scan
        self._quotes = quotes
        self._closers: list[str] = []
        self._comma = ""
        """Told before the next item: Python allows one behind the last."""

    def read(self) -> Walk[bool]:
        """The value that begins here, taken; False if it breaks off or the text ends inside it."""
        scan = self._scan
        while True:
            scan.take((yield from scan.blanks()))
            if not (yield from scan.wait(0)):
                return False
            if self._closers and scan.text[0] == self._closers[-1]:
                self._close()
            else:
                self._tell(self._comma)
                self._comma = ""
                in_object = self._closers[-1:] == ["}"]
                if in_object and not (yield from self._key()):
                    return False
                scan.take((yield from scan.blanks()))
                if not (yield from scan.wait(0)):
                    return False
                char = scan.text[0]
                if char in CLOSING:
                    scan.take(1)
                    self._closers.append(CLOSING[char])
                    self._tell("{" if char == "{" else "[")
                    continue
                if not (yield from self._scalar()):
                    return False
            while self._closers:
                scan.take((yield from scan.blanks()))
                if not (yield from scan.wait(0)):
                    return False
                if scan.text[0] == ",":
                    scan.take(1)
                    self._comma = ", "
                    break
                if scan.text[0] != self._closers[-1]:
                    return False
                self._close()
            if not self._closers:
                return True

    def _close(self) -> None:
        self._scan.take(1)
        self._comma = ""
        self._tell("}" if self._closers.pop() == "}" else "]")

    def _key(self) -> Walk[bool]:
        """A key and the colon behind it."""
        scan = self._scan
        if quote := (yield from scan.sees(*self._quotes)):
            scan.take(len(quote))
            if not (yield from self._string(quote)):
                return False
        else:
            end = yield from scan.word(0, lambda c: c not in ENDS_WORD, MAX_WORD)
            if not end or not (yield from scan.wait(end)):
                return False
            self._tell(quoted(scan.take(end)))
        scan.take((yield from scan.blanks()))
        if not (yield from scan.sees(":")):
            return False
        scan.take(1)
        self._tell(": ")
        return True

    def _scalar(self) -> Walk[bool]:
        """A string, a number, a constant or a bare word."""
        scan = self._scan
        if quote := (yield from scan.sees(*self._quotes)):
            scan.take(len(quote))
            return (yield from self._string(quote))
        end = yield from scan.word(0, lambda c: c not in ENDS_WORD, MAX_WORD)
        if not end or not (yield from scan.wait(end)):
            return False
        word = scan.take(end)
        word = WORDS.get(word, word)
        self._tell(word if parsed(word)[1] else quoted(word))
        return True

    def _string(self, quote: str) -> Walk[bool]:
        """The inside of a string and its end."""
        scan, escapes = self._scan, quote in self.PLAIN
        stop = re.compile(f"{re.escape(quote[0])}|\\\\" if escapes else re.escape(quote[0]))
        self._arguments.string("")
        while (yield from scan.wait(0)):
            found = stop.search(scan.text)
            if plain := scan.take(found.start() if found else len(scan.text)):
                self._arguments.string(plain)
            if found is None:
                continue
            if found[0] == "\\" and escapes:
                if not (yield from self._escape()):
                    return False
            elif (yield from scan.sees(quote)):
                scan.take(len(quote))
                self._arguments.end_string()
                return True
            else:
                self._arguments.string(scan.take(1))
        return False

    def _escape(self) -> Walk[bool]:
        """What a backslash and the characters behind it stand for; False if the text ends."""
        scan = self._scan
        if not (yield from scan.wait(1)):
            scan.take(1)
            return False
        char = scan.text[1]
        digits, end = HEX.get(char, 0), 2
        while end < 2 + digits and (yield from scan.wait(end)) and scan.text[end] in HEX_DIGITS:
            end += 1
        code = int(scan.text[2:end], 16) if digits and end == 2 + digits else -1
        if 0 <= code <= sys.maxunicode:
            scan.take(end)
            if 0xD800 <= code <= 0xDFFF:  # one half of a character that JSON spells like this too
                self._arguments.escape(f"\\u{code:04x}")
            else:
                self._arguments.string(chr(code))
        elif digits and scan.final and end == len(scan.text):
            scan.take(end)
            return False
        elif char in SHORT:
            scan.take(2)
            self._arguments.escape(SHORT[char])
        else:
            # Python keeps the backslash before what it does not know.
            scan.take(1)
            self._arguments.string(scan.take(1) if char in "\\'\"" else "\\")
        return True

    def _tell(self, json_text: str) -> None:
        self._arguments.value(json_text)
