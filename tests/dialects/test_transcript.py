"""From token ids to parts: stop strings, logprobs and reasoning tokens on the real readers."""

from itertools import pairwise

import pytest
from conformance import joined
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses import dialects
from mlx_responses.dialects import Transcript
from mlx_responses.parts import CallEnded, ReasoningDelta, Said, TextDelta

ANSWER = "<think>\nHm ✓\n</think>\n\nHéllo 🦄\n<tool_call>\n"
ANSWER += '{"name": "f", "arguments": {"a": "stop"}}\n</tool_call>\nby<e stop it'


class Bytes:
    """A tokenizer whose tokens are the given byte strings."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.token_bytes = pieces.__getitem__


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` in pieces."""
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(borders)]


def tell(pieces: list[bytes], **options) -> tuple[list[Said], Transcript]:
    """The parts of a turn whose token number n has logprob -n and one rival, itself."""
    reader = dialects.reader("qwen", thinking=False)
    transcript = Transcript(Bytes(pieces), reader, **options)
    said = [part for n in range(len(pieces)) for part in transcript.feed(n, -n, [(n, -n)])]
    return [*said, *transcript.finish()], transcript


def shown(said: list[Said]) -> str:
    """The visible answer."""
    return "".join(part.text for part in said if isinstance(part, TextDelta))


def check_logprobs(said: list[Said], pieces: list[bytes]) -> None:
    """Each delta's entries spell it; between two other parts each token has one entry, in order."""
    last = -1
    for part in said:
        if not isinstance(part, TextDelta):
            last -= 1  # a token that also wrote this part may come again
            continue
        spelled = b"".join(bytes(entry.bytes) for entry in part.logprobs)
        assert spelled == part.text.encode()
        for entry in part.logprobs:
            rank = -int(entry.logprob)
            assert rank > last
            last = rank
            assert entry.top_logprobs[0].bytes == list(pieces[rank])
            assert entry.token == spelled_token(entry.bytes)


def spelled_token(data: list[int]) -> str:
    """How a token's bytes read."""
    return bytes(data).decode(errors="replace")


cut_points = st.lists(st.integers(0, len(ANSWER.encode())), max_size=40)


@given(cut_points, st.sampled_from([[], ["stop"], ["e s", "🦄"], ["\n"]]), st.booleans())
def test_any_tokens_of_an_answer_tell_the_same(cuts, stops, logprobs):
    pieces = cut(ANSWER.encode(), cuts)
    said, _ = tell(pieces, stops=stops, logprobs=logprobs)
    whole, _ = tell([ANSWER.encode()], stops=stops)
    bare = [TextDelta(p.text, p.at) if isinstance(p, TextDelta) else p for p in said]
    assert joined(bare) == joined(whole)
    if logprobs:
        check_logprobs(said, pieces)


@given(st.lists(st.binary(max_size=6), max_size=12))
def test_logprobs_spell_the_answer_even_of_bytes_that_are_no_text(pieces):
    said, _ = tell(pieces, logprobs=True)
    assert shown(said) == b"".join(pieces).decode(errors="replace")
    for part in said:
        assert b"".join(bytes(e.bytes) for e in part.logprobs) == part.text.encode()


def test_a_stop_string_counts_in_the_answer_alone():
    said, transcript = tell([ANSWER.encode()], stops=["stop"])
    assert CallEnded() in said
    assert shown(said) == "Héllo 🦄by<e "
    assert transcript.stopped
    assert transcript.feed(0) == []


@pytest.mark.parametrize("cuts", [[], list(range(99))])
def test_a_stop_string_does_not_reach_across_a_call(cuts):
    text = 'st<tool_call>{"name": "f"}</tool_call>op'
    said, transcript = tell(cut(text.encode(), cuts), stops=["stop"])
    assert shown(said) == "stop"
    assert not transcript.stopped


def test_a_token_that_also_wrote_a_marker_is_cut_to_what_is_shown():
    said, _ = tell([b"Hi", b" you\n<tool", b'_call>{"name": "f"}'], logprobs=True)
    assert [(e.token, e.bytes, e.logprob) for e in said[1].logprobs] == [(" you", [*b" you"], -1)]


def test_without_logprobs_text_is_shown_as_soon_as_it_is_certain():
    said, _ = tell([b"a <", b"b", b" \xf0\x9f", b"\xa6\x84c"])
    assert [part.text for part in said] == ["a ", "<b", " ", "🦄c"]


def test_reasoning_tokens_are_those_that_wrote_thoughts():
    pieces = [b"<think>", b"\n", b"I", b" see", b".\n", b"</think>", b"\n\n", b"Hi"]
    said, transcript = tell(pieces)
    assert joined(said) == [ReasoningDelta("I see.", 8), TextDelta("Hi", 25)]
    assert transcript.reasoning_tokens == 3
    assert tell([b"Hi"])[1].reasoning_tokens == 0
