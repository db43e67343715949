"""Token ids of one turn -> parts: detokenizer, reader, stop strings and logprobs in one place.

Knows no events and no sampling. Stop strings count in the visible answer only, not in thoughts or
calls.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from mlx_responses.dialects.dialect import Reader
from mlx_responses.parts import ReasoningDelta, Said, TextDelta, TokenLogprob, TopLogprob
from mlx_responses.text import Detokenizer, StopStrings, Tokenizer


class Span(msgspec.Struct, gc=False):
    """One token: its bytes are `start:end` of the raw text in UTF-8."""

    start: int
    end: int
    logprob: TokenLogprob | None
    counted: bool = False


class Ledger:
    """Which token wrote which bytes of the raw text. Forgets what is before the last `seek`."""

    def __init__(self) -> None:
        self._spans: deque[Span] = deque()
        self._text = ""
        """Raw text from character `_char`, which is byte `_byte`, on."""
        self._char = self._byte = 0
        self._written = 0
        """Bytes of the raw text that is complete."""
        self._end = 0

    def write(self, text: str, held: int, logprob: TokenLogprob | None) -> None:
        """A token completed `text`, and left `held` bytes of an unfinished character."""
        self._text += text
        self._written += len(text.encode())
        end = self._written + held
        self._spans.append(Span(self._end, end, logprob))
        self._end = end

    def close(self, text: str) -> None:
        """The last token's unfinished character became `text` (U+FFFD)."""
        self._text += text
        self._written += len(text.encode())
        if self._spans:
            self._end = self._spans[-1].end = self._written

    def seek(self, at: int) -> int:
        """Forget the raw text before character `at`; returns that character's byte offset."""
        gone = at - self._char
        self._byte += len(self._text[:gone].encode())
        self._text, self._char = self._text[gone:], at
        while self._spans and self._spans[0].end <= self._byte:
            self._spans.popleft()
        return self._byte

    def border(self, end: int) -> int:
        """The last end of a token at or before byte `end`; -1 if there is none."""
        return max((span.end for span in self._spans if span.end <= end), default=-1)

    def count(self, start: int, end: int) -> int:
        """How many tokens, not counted before, wrote in bytes `start:end`."""
        count = 0
        for span in self._spans:
            if span.start < end and span.end > start and not span.counted:
                span.counted = True
                count += 1
        return count

    def cut(self, start: int, shown: bytes) -> tuple[TokenLogprob, ...]:
        """The tokens that wrote `shown`, found at byte `start`, cut to what of them is in it."""
        entries = []
        for span in self._spans:
            piece = shown[max(span.start - start, 0) : max(span.end - start, 0)]
            if piece and span.logprob is not None:
                entries.append(trimmed(span.logprob, piece))
        return tuple(entries)


def trimmed(logprob: TokenLogprob, piece: bytes) -> TokenLogprob:
    """`logprob` for `piece` of its token; a piece of a character reads as U+FFFD."""
    if logprob.bytes == list(piece):
        return logprob
    return TokenLogprob(
        piece.decode(errors="replace"), logprob.logprob, list(piece), logprob.top_logprobs
    )


class Transcript:
    """One turn's tokens read into parts. `stopped` once a stop string was met: feed no more.

    With `logprobs` a text delta ends where a token ends, so that its logprobs are whole: their
    joined bytes are the delta's text in UTF-8. Of a token that also wrote a marker or a stop
    string, only what is shown counts.
    `reasoning_tokens` counts the tokens that wrote thinking text, markers left out.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        reader: Reader,
        *,
        stops: Sequence[str] = (),
        logprobs: bool = False,
    ) -> None:
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer)
        self._reader = reader
        self._stops = StopStrings(stops)
        self._stops_at = 0
        """Character offset of what the stop strings hold back."""
        self._ledger = Ledger()
        self._logprobs = logprobs
        self._shown = ""
        """With logprobs: text that may be shown once its last token is known to be whole."""
        self._shown_at = 0
        self.stopped = False
        self.reasoning_tokens = 0

    def feed(
        self, token_id: int, chosen: float = 0.0, top: Sequence[tuple[int, float]] = ()
    ) -> list[Said]:
        """The parts that a token completes; `chosen` and `top` are its and its rivals' logprobs."""
        if self.stopped:
            return []
        text = self._detokenizer.feed(token_id)
        logprob = self._token_logprob(token_id, chosen, top) if self._logprobs else None
        self._ledger.write(text, self._detokenizer.held, logprob)
        return self._filter(self._reader.feed(text)) if text else []

    def finish(self) -> list[Said]:
        """The rest, once the model has stopped."""
        if self.stopped:
            return []
        text = self._detokenizer.finish()
        self._ledger.close(text)
        said = self._filter([*self._reader.feed(text), *self._reader.finish()])
        return said if self.stopped else said + self._release()

    def _filter(self, said: list[Said]) -> list[Said]:
        passed: list[Said] = []
        for part in said:
            if isinstance(part, TextDelta):
                passed += self._text(part)
                if self.stopped:
                    break
                continue
            passed += self._release()
            if isinstance(part, ReasoningDelta):
                start = self._ledger.seek(part.at)
                self.reasoning_tokens += self._ledger.count(start, start + len(part.text.encode()))
            passed.append(part)
        return passed

    def _text(self, part: TextDelta) -> list[Said]:
        """A visible delta, less what may begin a stop string."""
        passed: list[Said] = []
        if part.at != self._stops_at + self._stops.held:
            # A gap in the raw text (an empty thought): nothing matches across it.
            passed += self._release()
            self._stops_at = part.at
        text, self.stopped = self._stops.feed(part.text)
        at, self._stops_at = self._stops_at, self._stops_at + len(text)
        return passed + self._show(text, at, final=self.stopped)

    def _release(self) -> list[Said]:
        """No visible text follows for now: show what was held back."""
        held = self._stops.finish()
        at, self._stops_at = self._stops_at, self._stops_at + len(held)
        return self._show(held, at, final=True)

    def _show(self, text: str, at: int, *, final: bool) -> list[Said]:
        if not self._logprobs:
            if text:
                self._ledger.seek(at)
            return [TextDelta(text, at)] if text else []
        if not self._shown:
            self._shown_at = at
        self._shown += text
        if not self._shown:
            return []
        start = self._ledger.seek(self._shown_at)
        shown = self._shown.encode()
        if not final:
            shown = shown[: max(self._ledger.border(start + len(shown)) - start, 0)]
        delta = shown.decode(errors="ignore")
        if not delta or len(delta.encode()) < len(shown):
            return []  # no token ends here, or one ends inside a character
        said = TextDelta(delta, self._shown_at, self._ledger.cut(start, shown))
        self._shown, self._shown_at = self._shown[len(delta) :], self._shown_at + len(delta)
        return [said]

    def _token_logprob(
        self, token_id: int, chosen: float, top: Sequence[tuple[int, float]]
    ) -> TokenLogprob:
        data = self._tokenizer.token_bytes(token_id)
        return TokenLogprob(
            data.decode(errors="replace"),
            chosen,
            list(data),
            [self._top_logprob(rival, logprob) for rival, logprob in top],
        )

    def _top_logprob(self, token_id: int, logprob: float) -> TopLogprob:
        data = self._tokenizer.token_bytes(token_id)
        return TopLogprob(data.decode(errors="replace"), logprob, list(data))
