"""Every guide passes this suite: mask, advance, accepting, forced runs, rollback, no raising."""

import random

import pytest
from vocabularies import CALL, END, THINK_END, TINY, allowed

from mlx_responses.grammar import Grammars, write_schema
from mlx_responses.grammar.calls import Form, Thinking, Tool, calling
from mlx_responses.grammar.index import Table

SCHEMA = {
    "type": "object",
    "properties": {"name": {"enum": ["ab", "ac"]}, "n": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}
SHORT = {"enum": ["ab", "ac", "abc", None]}
FORM = Form.json(("<tool_call>\n", "\n</tool_call>"))
TOOLS = [Tool("pick", write_schema(SCHEMA, strict=True))]
EAGER = Grammars(TINY, budget_ms=10_000)
NEVER = Grammars(TINY, budget_ms=-1)

SOURCES = {
    "index": EAGER.schema(SHORT, strict=True),
    "parser": NEVER.schema(SCHEMA, strict=True),
    "recursive": EAGER.schema({"items": {"$ref": "#"}, "type": "array"}, strict=True),
    "regex": EAGER.regex("[ab]{2,}c|x?"),
    "lark": EAGER.lark('start: "a" b+\nb: "b" | "(" b ")"'),
    "llguidance": EAGER.llguidance('{"grammars": [{"lark_grammar": "start: /[ab]+/"}]}'),
    "required call": calling(EAGER, [(FORM, TOOLS)], mode="required"),
    "auto": calling(EAGER, [(FORM, TOOLS)], mode="auto", parallel=False),
    "no call": calling(EAGER, [(FORM, TOOLS)], mode="none"),
    "after a thought": Thinking(
        TINY, EAGER.schema(SCHEMA, strict=True), end="</think>", opening=None
    ),
    "maybe a thought": Thinking(
        TINY, EAGER.schema(SCHEMA, strict=True), end="</think>", opening="<think>"
    ),
}
every = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def paths(source, count=12, length=40):
    """Guides on their way, each with the random choices that led there."""
    for seed in range(count):
        chance, guide, said = random.Random(seed), source.start(), []
        for _ in range(chance.randrange(length)):
            ids = [token for token in allowed(guide) if token != END]
            if not ids:
                break
            favourites = [token for token in (CALL, THINK_END) if token in ids]
            token = chance.choice(favourites if favourites and chance.random() < 0.3 else ids)
            guide.advance(token)
            said.append(token)
        yield guide, said


@every
def test_the_end_is_allowed_exactly_when_the_guide_accepts(source):
    for guide, _ in paths(source):
        assert (END in allowed(guide)) == guide.accepting


@every
def test_something_is_always_allowed_before_the_end(source):
    assert all(allowed(guide) for guide, _ in paths(source))


@every
def test_a_mask_has_one_bit_for_each_token_and_no_more(source):
    for guide, _ in paths(source):
        mask = guide.mask()
        assert mask is None or (mask.dtype == "uint32" and len(mask) == TINY.words)
        assert max(allowed(guide)) < TINY.size


@every
def test_a_rolled_back_guide_is_where_it_was(source):
    for guide, said in paths(source):
        before = allowed(guide)
        again = [token for token in before if token != END][:1]
        for token in again:
            guide.advance(token)
        guide.rollback(len(again))
        assert allowed(guide) == before
        guide.rollback(len(said))
        assert allowed(guide) == allowed(source.start())


@every
def test_the_end_can_be_taken_back(source):
    for guide, _ in paths(source):
        before = allowed(guide)
        if END in before:
            guide.advance(END)
            guide.rollback(1)
            assert allowed(guide) == before


@every
def test_every_forced_token_is_allowed_and_its_first_byte_is_the_only_one(source):
    for guide, _ in paths(source):
        for token in guide.forced():
            ids = allowed(guide)
            assert token in ids
            assert len({TINY.tokens[other][:1] for other in ids}) == 1
            guide.advance(token)


@every
def test_guides_of_one_source_do_not_know_of_each_other(source):
    first, second = source.start(), source.start()
    before = allowed(second)
    first.advance(before[0])
    assert allowed(second) == before


@every
def test_a_guide_that_is_misled_allows_little_and_never_raises(source):
    for guide, _ in paths(source, count=4):
        for token in (7, END, 3, END):
            guide.advance(token)
            guide.mask()
            assert isinstance(guide.accepting, bool)
            guide.forced()
        guide.rollback(2)
        guide.rollback(10_000)
        guide.mask()


@pytest.mark.parametrize("name", ["index", "parser", "regex", "lark", "required call"])
def test_after_a_token_that_is_not_allowed_nothing_is(name):
    guide = SOURCES[name].start()
    guide.advance(7)
    assert allowed(guide) == []
    assert not guide.accepting


def test_equal_states_of_an_index_have_equal_names_and_masks():
    source = SOURCES["index"]
    assert isinstance(source, Table)
    one, other = source.start(), source.start()
    assert one.state == other.state is not None
    assert one.mask() is other.mask()
    one.advance(ord('"'))
    assert one.state != other.state


def test_a_forced_run_reaches_over_all_that_is_certain():
    guide = EAGER.schema({"const": "abcdefgh"}, strict=True).start()
    run = guide.forced()
    assert b"".join(TINY.tokens[token] for token in run) == b'"abcdefgh"'
