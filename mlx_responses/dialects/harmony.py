"""gpt-oss' writing: messages with a channel each. `analysis` is a thought; `final` and `commentary`
are text; a message to `functions.f` is a call.

A message is `<|start|>assistant`, a header, `<|message|>`, content and an end mark; the prompt has
written the first start. `<|call|>` and `<|return|>` end the turn, so the text may lack them. A
header that is not whole, or that is to nobody we know, is text.
"""

import re

from mlx_responses.dialects.arguments import read_arguments
from mlx_responses.dialects.dialect import Brackets, Dialect, Ear
from mlx_responses.dialects.jsoncall import close
from mlx_responses.dialects.scan import Scan, ScanReader, Walk, first_of
from mlx_responses.parts import ReasoningDelta, TextDelta
from mlx_responses.text import begun

START, CHANNEL, MESSAGE = "<|start|>", "<|channel|>", "<|message|>"
ENDS = ("<|end|>", "<|call|>", "<|return|>")
MARKS = (START, CHANNEL, *ENDS)
ANALYSIS, FINAL = f"{CHANNEL}analysis{MESSAGE}", f"{CHANNEL}final{MESSAGE}"
CALL = f"{CHANNEL}commentary to=functions."
MAX_HEADER = 400
"""Characters: a role, a channel, a recipient and a content type."""

_HEADER = re.compile(
    r"(?:<\|start\|>)?(?:assistant)?\s*(?:to=(?P<early>[^\s<]+)\s*)?"
    r"(?:<\|channel\|>(?P<channel>[^\s<]+)\s*(?:to=(?P<late>[^\s<]+)\s*)?)?"
    r"(?:(?:<\|constrain\|>)?[^\s<]*\s*)?"
)


class _Turn:
    """One turn that is being read."""

    def __init__(self, ear: Ear, scan: Scan) -> None:
        self._ear = ear
        self._scan = scan

    def walk(self) -> Walk[None]:
        """Message by message; what belongs to none is text."""
        scan = self._scan
        opening = (self._ear.opening or "").rstrip()
        if opening.endswith(ANALYSIS):
            yield from self._content(ReasoningDelta)
        elif opening.endswith(MESSAGE):
            yield from self._content(TextDelta)
        while (yield from scan.wait(0)):
            if not (yield from self._message()):
                yield from self._stray()

    def _message(self) -> Walk[bool]:
        """A whole message, if its header stands here."""
        scan = self._scan
        if not (yield from scan.sees(START, CHANNEL, " to=", "to=")):
            return False
        end = yield from scan.span(0, MESSAGE, "\n", MAX_HEADER)
        header = _HEADER.fullmatch(scan.text[:end]) if end >= 0 else None
        if header is None or not (header["channel"] or header["early"]):
            return False
        recipient = header["late"] or header["early"] or ""
        name = recipient.removeprefix("functions.")
        if recipient and not (self._ear.calls and name):
            return False
        if recipient and self._ear.bounded and CALL not in scan.text[:end]:
            return False
        scan.take(end + len(MESSAGE))
        if recipient:
            if (yield from read_arguments(scan, name, MARKS)):
                yield from close(scan, *ENDS)
        else:
            thought = header["channel"] == "analysis"
            yield from self._content(ReasoningDelta if thought else TextDelta)
        return True

    def _stray(self) -> Walk[None]:
        """Text outside of a message: up to the next that may begin one, at least a character."""
        scan = self._scan
        if not (yield from self._end()):
            scan.say(TextDelta, 1)
            yield from self._content(TextDelta)

    def _content(self, kind: type[TextDelta] | type[ReasoningDelta]) -> Walk[None]:
        """A message's text and its end mark."""
        scan = self._scan
        while not (found := first_of(scan.text, MARKS))[1]:
            held = 0 if scan.final else max(begun(scan.text, mark) for mark in MARKS)
            scan.say(kind, len(scan.text) - held)
            if scan.final:
                return
            yield
        scan.say(kind, found[0])
        yield from self._end()

    def _end(self) -> Walk[bool]:
        """An end mark, if one stands here."""
        mark = yield from self._scan.sees(*ENDS)
        self._scan.take(len(mark))
        return bool(mark)


def recognises(controls: frozenset[str], template: str, model_type: str) -> bool:
    """Harmony's marks among the control tokens, or in the template of a model that has them."""
    return (
        model_type == "gpt_oss"
        or {CHANNEL, MESSAGE} <= controls
        or (CHANNEL in template and MESSAGE in template)
    )


HARMONY = Dialect(
    name="harmony",
    reader=lambda ear: ScanReader(lambda scan: _Turn(ear, scan).walk()),
    recognises=recognises,
    forms=(
        Brackets(
            marker=CALL,
            head="",
            middle=f" <|constrain|>json{MESSAGE}",
            foot="<|call|>",
            separator=f"{START}assistant",
        ),
    ),
    thought=(ANALYSIS, f"<|end|>{START}assistant"),
    answer=FINAL,
)
