"""Qwen's and Hermes' writing: `<think>` blocks, and `<tool_call>` blocks that hold one JSON object.

Knows nothing of tokens: a marker is its text. Rules:
- A thought can only begin at the start, after a thought or after a call; elsewhere `<think>` is
  text. A call can begin anywhere outside a thought.
- Line breaks (and blanks after them) before a marker, and all blanks after one, are layout.
- `<tool_call>` that is not followed by a JSON object with a name is text.
"""

from mlx_responses.dialects.dialect import Dialect
from mlx_responses.dialects.jsoncall import JsonCall
from mlx_responses.parts import ReasoningDelta, Said, TextDelta
from mlx_responses.text import begun

THINK, THINK_END = "<think>", "</think>"
CALL, CALL_END = "<tool_call>", "</tool_call>"


class QwenReader:
    """See `Reader`. `_step` is the state: it reads on in `_text` and says whether to go on."""

    def __init__(self, opening: str | None) -> None:
        in_thought = opening is None or opening.rstrip().endswith(THINK)
        self._step = self._thought_start if in_thought else self._start
        self._text = ""
        self._at = 0
        self._said: list[Said] = []
        self._after_block = False
        self._call = JsonCall()
        self._lead = 0
        """Length of a call's marker and the blanks before it, as long as they may yet be text."""
        self._read = 0
        """How much of `_text` the call has read."""

    def feed(self, text: str) -> list[Said]:
        """Read on as far as what is there decides it."""
        self._text += text
        while self._text and self._step(False):
            pass
        said, self._said = self._said, []
        return said

    def finish(self) -> list[Said]:
        """Read the rest as what it has to be, now that nothing follows."""
        while self._text and self._step(True):
            pass
        self._said += self._call.finish()
        said, self._said = self._said, []
        return said

    def _start(self, final: bool) -> bool:
        """Between blocks: nothing visible yet."""
        body = self._text.lstrip()
        blanks = len(self._text) - len(body)
        if (
            not final
            and (THINK.startswith(body) or CALL.startswith(body))
            and body not in (THINK, CALL)
        ):
            return False
        if self._after_block or body.startswith(THINK):
            self._take(blanks)
            blanks = 0
        if body.startswith(THINK):
            self._take(len(THINK))
            self._step = self._thought_start
        elif body.startswith(CALL):
            self._open_call(blanks)
        else:
            self._step = self._prose
        return True

    def _prose(self, final: bool) -> bool:
        """The visible answer."""
        found = self._text.find(CALL)
        if found >= 0:
            self._say(TextDelta, shown := settled(self._text[:found]))
            self._open_call(found - shown)
            return True
        self._say(TextDelta, len(self._text) if final else settled(self._text, CALL))
        return False

    def _thought_start(self, final: bool) -> bool:
        """Before a thought's first word; the model may open again what the prompt has opened."""
        self._take(len(self._text) - len(self._text.lstrip()))
        if self._text.startswith(THINK):
            self._take(len(THINK))
        elif final or not THINK.startswith(self._text):
            self._step = self._thought
        else:
            return False
        return True

    def _thought(self, final: bool) -> bool:
        """Thinking text."""
        found = self._text.find(THINK_END)
        if found >= 0:
            self._say(ReasoningDelta, shown := settled(self._text[:found]))
            self._take(found - shown + len(THINK_END))
            return self._end_block()
        self._say(ReasoningDelta, len(self._text) if final else settled(self._text, THINK_END))
        return False

    def _open_call(self, blanks: int) -> None:
        """The text begins with `blanks` and a call's marker."""
        self._call = JsonCall()
        self._lead = self._read = blanks + len(CALL)
        self._step = self._in_call

    def _in_call(self, final: bool) -> bool:
        """Inside a call's JSON; text again when it has no name."""
        self._read += self._call.feed(self._text[self._read :])
        state = self._call.state
        if self._call.name is not None:
            self._take(self._read)
            self._read = 0
            self._said += self._call.take()
            self._step = self._in_call if state == "open" else self._close
        elif final or state != "open":
            self._say(TextDelta, self._lead)
            self._step = self._prose
            return True
        return state != "open"

    def _close(self, final: bool) -> bool:
        """After a call's JSON: its end marker, if the model wrote one."""
        body = self._text.lstrip()
        if not final and CALL_END.startswith(body) and body != CALL_END:
            return False
        self._take(len(self._text) - len(body))
        if body.startswith(CALL_END):
            self._take(len(CALL_END))
        return self._end_block()

    def _end_block(self) -> bool:
        self._after_block = True
        self._step = self._start
        return True

    def _say(self, kind: type[TextDelta] | type[ReasoningDelta], length: int) -> None:
        at = self._at
        if text := self._take(length):
            self._said.append(kind(text, at))

    def _take(self, length: int) -> str:
        taken, self._text = self._text[:length], self._text[length:]
        self._at += length
        return taken


def settled(text: str, marker: str = "") -> int:
    """How much of `text` shows even if `marker` comes next: not the line breaks at its end, nor a
    beginning of the marker.
    """
    body = text[: len(text) - begun(text, marker)]
    visible = len(body.rstrip())
    line_break = body.find("\n", visible)
    return len(body) if line_break < 0 else line_break


def recognises(controls: frozenset[str], template: str) -> bool:
    """Qwen's tags among the control tokens or in the template."""
    return CALL in controls or THINK in controls or CALL in template


QWEN = Dialect(
    name="qwen",
    reader=QwenReader,
    recognises=recognises,
    brackets=(f"{CALL}\n", f"\n{CALL_END}"),
)
