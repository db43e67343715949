"""Whatever a model says, in whatever order: the stream keeps every rule."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_responses.parts import (
    Begun,
    CallDelta,
    CallEnded,
    CallStarted,
    Compacted,
    Heartbeat,
    ReasoningDelta,
    TextDelta,
)
from tests.test_timeline import BROKEN, CANCELLED, COMPLETED, LENGTH, kinds, logprob, play

TEXTS = st.text(alphabet="a \né", max_size=3)
CALLS = st.tuples(st.sampled_from(["function", "custom"]), st.lists(TEXTS, max_size=3)).map(
    lambda call: [CallStarted("f", call[0]), *map(CallDelta, call[1])]
)
SAYINGS = st.one_of(
    TEXTS.map(lambda text: [TextDelta(text, logprobs=(logprob(text or "é"),))]),
    TEXTS.map(lambda text: [ReasoningDelta(text)]),
    CALLS.map(lambda call: [*call, CallEnded()]),
    st.just([Heartbeat()]),
    st.just([Compacted("sealed")]),
)
ENDINGS = st.sampled_from([COMPLETED, LENGTH, CANCELLED, BROKEN])
TURNS = st.builds(
    lambda said, cut, end: [part for parts in said for part in parts] + cut + [end],
    st.lists(SAYINGS, max_size=12),
    CALLS | st.just([]),
    ENDINGS,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(TURNS, st.booleans(), st.booleans())
def test_whatever_a_model_says_the_stream_is_lawful(parts, background, logprobs):
    opening = [Begun()] if background else []
    events, last = play(*opening, *parts, background=background, include_logprobs=logprobs)
    terminals = [kind for kind in kinds(events) if kind in {"completed", "incomplete", "failed"}]
    assert len(terminals) == (0 if last["status"] == "cancelled" else 1)
    visible = "".join(part.text for part in parts if isinstance(part, TextDelta))
    assert "".join(last["output_text"].split()) == "".join(visible.split())
