"""Growing transcripts on every architecture's kind of cache: a hit on each turn, and the same text
as without any cache.
"""

import pytest
import tiny

SYSTEM = list(range(40, 100))


@pytest.fixture
def pair(start, folder_of):
    """Two engines with one model of a kind: one that reuses, one that does not."""

    def make(kind, **limits):
        reusing, plain = start(chunk_tokens=32, **limits), start(chunk_tokens=32, prefix_bytes=0)
        for watched in (reusing, plain):
            watched.load(folder_of(kind))
        return reusing, plain

    return make


@pytest.mark.parametrize("kind", tiny.ALL)
def test_a_growing_conversation_says_what_it_says_without_reuse(pair, kind):
    reusing, plain = pair(kind)
    prompt, ends, kept = list(SYSTEM), [len(SYSTEM)], 0
    for turn in range(9):
        prompt = [*prompt, 258, *range(turn, turn + 9)]
        ends.append(len(prompt))
        job = reusing.submit(prompt, max_tokens=10, segments=tuple(ends))
        said = reusing.tokens(job)
        assert said == plain.say(prompt, max_tokens=10)
        cached = reusing.ending(job).cached
        assert cached - kept in (0, 1)  # an end token that was said is kept too
        assert reusing.progress(job)[-1].cached == cached
        prompt = [*prompt, *said]
        kept = len(prompt)


@pytest.mark.parametrize("kind", tiny.ALL)
def test_a_template_that_drops_old_thoughts_costs_the_turns_that_had_them_only(pair, kind):
    """Each answer ends with what the next prompt leaves out, as the thoughts before a question."""
    reusing, plain = pair(kind)
    prompt, ends, stable = list(SYSTEM), [len(SYSTEM)], 0
    for turn in range(8):
        prompt = [*prompt, 258, *range(turn, turn + 20)]
        ends.append(len(prompt))
        asked = [*prompt, 257, 13]
        job = reusing.submit(asked, max_tokens=10, segments=tuple(ends))
        said = reusing.tokens(job)
        assert said == plain.say(asked, max_tokens=10)
        assert reusing.ending(job).cached >= stable
        stable = len(prompt)
        prompt = [*asked[:-1], *said[6:]]


@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_agents_that_share_a_system_prompt_hit_on_every_turn(start, folder_of, kind):
    """Two conversations side by side: each call's output is long, each answer short."""
    spec = folder_of(kind)
    reusing, plain = start(chunk_tokens=64), start(chunk_tokens=64, prefix_bytes=0)
    reusing.load(spec)
    plain.load(spec)
    system = SYSTEM * 4
    talks = [[*system, 258, agent, agent] for agent in (1, 2)]
    ends = [[len(system), len(system) + 3] for _ in talks]
    read = total = 0
    for turn in range(4):
        for talk, end in zip(talks, ends, strict=True):
            job = reusing.submit(talk, max_tokens=6, segments=tuple(end))
            said = reusing.tokens(job)
            assert said == plain.say(talk, max_tokens=6)
            cached = reusing.ending(job).cached
            assert cached >= (end[-2] if turn or talk is talks[1] else 0)
            read, total = read + len(talk) - cached, total + len(talk)
            talk += [*said, 259, *range(turn, turn + 60), 258]
            end.append(len(talk))
    assert read < 0.25 * total
