"""Calls as the model writes them -> calls as the client knows them, part by part.

Puts names and namespaces back, and takes a custom tool's input out of its JSON while it is being
written. Knows no dialect.
"""

import json
import re

from mlx_responses.offer import CUSTOM_INPUT, Offer
from mlx_responses.parts import CallDelta, CallEnded, CallStarted, Said

LOST = "\ufffd"
"""For half a surrogate pair: no text can hold it."""

_OPENING = re.compile(r'\s*\{\s*"' + CUSTOM_INPUT + r'"\s*:\s*"')
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[^u])")
_PLAIN = re.compile(r'[^"\\]+')


class Hearing:
    """One turn's calls, heard one after another."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._unwrapping: Unwrapping | None = None  # of the open call, if it is a custom tool's

    def hear(self, part: Said) -> list[Said]:
        """The parts that the client gets for one of the model's."""
        match part:
            case CallStarted(name=name):
                found = self._offer.find(name)
                if found is None:
                    return [part]
                self._unwrapping = Unwrapping() if found.kind == "custom" else None
                return [CallStarted(found.tool.name, found.kind, found.namespace)]
            case CallDelta(text=text) if self._unwrapping is not None:
                text = self._unwrapping.feed(text)
                return [CallDelta(text)] if text else []
            case CallEnded() if self._unwrapping is not None:
                rest = self._unwrapping.finish()
                self._unwrapping = None
                return [CallDelta(rest), part] if rest else [part]
        return [part]


class Unwrapping:
    """`{"input": "..."}` as it is written -> the string's text. Another shape stays as it is."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._done = False
        self._high = ""  # the first half of a surrogate pair

    def feed(self, text: str) -> str:
        """More of the JSON; gives the text that it completes."""
        self._held += text
        if not self._inside and not self._done:
            opening = _OPENING.match(self._held)
            if opening is None:
                return ""
            self._inside, self._held = True, self._held[opening.end() :]
        return self._read() if self._inside else ""

    def _read(self) -> str:
        """Decode what is held up to the end of the string, or up to half an escape."""
        said = []
        while self._held:
            plain = _PLAIN.match(self._held)
            escape = _ESCAPE.match(self._held)
            if plain is not None:
                said.append(LOST + plain[0] if self._high else plain[0])
                self._high, self._held = "", self._held[plain.end() :]
            elif escape is not None:
                self._held = self._held[escape.end() :]
                said.append(self._unescaped(escape[0]))
            elif self._held[0] == '"':
                self._inside, self._done, self._held = False, True, ""
            else:
                break
        return "".join(said)

    def _unescaped(self, escape: str) -> str:
        """One escape's text; the first half of a pair waits for the second."""
        try:
            char: str = json.loads(f'"{escape}"')
        except ValueError:
            return escape
        pair, self._high = self._high + char, ""
        if len(pair) == 1 and "\ud800" <= pair <= "\udbff":
            self._high = pair
            return ""
        return pair.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def finish(self) -> str:
        """What never took the shape, as it was written."""
        return "" if self._done or self._inside else self._held
