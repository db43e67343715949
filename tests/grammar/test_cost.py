"""What would take too long is told from its size, and refused before it is compiled."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vocabularies import TINY, accepts, allowed

from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars, write_schema
from mlx_responses.grammar.cost import MOST_US, TooLarge, of_foreign
from mlx_responses.grammar.numbers import whole

MOST_PROPERTIES = 5_000
"""That strict mode is documented to allow."""
KINDS = (
    {"type": "string"},
    {"type": "integer"},
    {"type": "array", "items": {"type": "string"}},
    {"anyOf": [{"type": "number"}, {"type": "null"}]},
)


def members(count, *, required=True, kind=None, prefix="p"):
    names = [f"{prefix}{n}" for n in range(count)]
    return {
        "type": "object",
        "properties": {n: kind(at) if kind else KINDS[at % 4] for at, n in enumerate(names)},
        "required": names if required else [],
        "additionalProperties": False,
    }


def bounded(at):
    return {"type": "number", "minimum": at / 7, "maximum": at + 1 / 3}


def in_groups():
    groups = {f"g{n}": members(20, prefix=f"g{n}_") for n in range(MOST_PROPERTIES // 21)}
    return {
        "type": "object",
        "properties": groups,
        "required": list(groups),
        "additionalProperties": False,
    }


def tree(levels, path="r"):
    """Some 5,000 members, five or seven in an object, on so many levels."""
    names = [f"{path}_{n}" for n in range(5 if levels > 1 else 7)]
    kind = {"type": "string"}
    return {
        "type": "object",
        "properties": {n: tree(levels - 1, n) if levels > 1 else kind for n in names},
        "required": names,
        "additionalProperties": False,
    }


TAKEN = {
    "5,000 members": members(MOST_PROPERTIES),
    "5,000 in objects of 20": in_groups(),
    "5,000 in a tree": tree(5),
    "1,000 values of an enum": {"enum": [f"value {n}" for n in range(1_000)]},
    "2,000 optional members": members(2_000, required=False),
    "1,000 integers with bounds": members(
        1_000, kind=lambda at: {"type": "integer", "minimum": at, "maximum": 3 * at + 99}
    ),
    "multiples of a day": {"type": "integer", "multipleOf": 86_400},
}
REFUSED = {
    "9,000 optional members": members(9_000, required=False),
    "3,000 numbers with bounds": members(3_000, kind=bounded),
    "a large prime": {"type": "integer", "multipleOf": 999_983},
    "1,000 primes": members(
        1_000, kind=lambda at: {"type": "integer", "multipleOf": 2 * at + 1_001}
    ),
    "300 lists of 40 values in any order": members(
        300,
        kind=lambda at: {
            "type": "array",
            "items": {"enum": [f"{at} {n}" for n in range(40)]},
            "uniqueItems": True,
        },
    ),
    "10,000 definitions": {
        "$defs": {
            f"d{n}": {"properties": {f"a{n}": {"$ref": f"#/$defs/d{7 * n % 10_000}"}}}
            for n in range(10_000)
        },
        "anyOf": [{"$ref": f"#/$defs/d{n}"} for n in range(500)],
    },
}


@pytest.mark.parametrize("schema", TAKEN.values(), ids=TAKEN)
def test_what_strict_mode_documents_and_more_is_within_the_time(schema):
    assert 0 < write_schema(schema, strict=True).cost_us < MOST_US
    assert allowed(Grammars(TINY).schema(schema, strict=True).start())


@pytest.mark.parametrize("schema", REFUSED.values(), ids=REFUSED)
def test_what_would_take_too_long_is_refused_with_how_long(schema):
    with pytest.raises(
        TooLarge, match=r"about \d+\.\d s until the first token, and 0\.25 s"
    ) as said:
        Grammars(TINY).schema(schema, strict=True)
    assert said.value.code == "invalid_json_schema"
    assert "make members required" in said.value.message


FOREIGN = {
    "a large prime": 'start: %json {"type": "integer", "multipleOf": 999983}',
    "40,000 terminals": "start: " + " | ".join(f"/a{n}[0-9]*/" for n in range(40_000)),
    "4 MB": "start: /" + "a" * 4_000_000 + "/",
    "a regex of 400,000 ways": "start: /" + "|".join(map(str, range(400_000))) + "/",
    "100,000 words": 'start: %regex {"substring_words": "' + "w " * 100_000 + '"}',
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_so_is_a_grammar_from_outside(text):
    for compiled in (Grammars(TINY).lark, Grammars(TINY).llguidance):
        with pytest.raises(RequestError, match="until the first token") as said:
            compiled(text)
        assert said.value.code == "invalid_grammar"


def test_a_mark_of_our_own_lets_nothing_by():
    rules = "\n".join(f'r{n}: "{n}"' for n in range(700))
    with pytest.raises(RequestError, match="more than 600 rules"):
        Grammars(TINY).lark(f'%llguidance {{"no_forcing": true}}\nstart: r0\n{rules}')


@pytest.mark.parametrize("step", ["0", "nan", "1e999", "-3", "1.2.3", "--", "1e-30", ""])
def test_a_multiple_that_is_none_costs_what_it_can(step):
    assert of_foreign(f'start: %json {{"multipleOf": {step}}}') >= 0


def test_a_multiple_that_no_engine_can_tell_is_named_or_left_out():
    schema = {"type": "number", "multipleOf": 7.77}
    with pytest.raises(RequestError, match="multipleOf: the multiple has too many digits"):
        write_schema(schema, strict=True)
    assert write_schema(schema, strict=False).relaxed == ("multipleOf at #",)


def test_a_whole_multiple_of_a_fraction_is_told_by_whole_numbers():
    source = Grammars(TINY).schema({"type": "integer", "multipleOf": 7.77}, strict=True)
    assert accepts(source, "777")
    assert accepts(source, "-1554")
    assert not accepts(source, "7")


ENDS = st.none() | st.integers(-(10**6), 10**6) | st.integers(-30, 30)


@given(ENDS, ENDS, st.data())
def test_whole_numbers_between_bounds_are_all_there_are(first, last, data):
    near = [bound + step for bound in (first, last) if bound is not None for step in range(-2, 3)]
    value = data.draw(st.integers(-(10**7), 10**7) | st.sampled_from([0, *near]))
    inside = (first is None or first <= value) and (last is None or value <= last)
    pattern = whole(first, last).replace(r"[^\x{0}-\x{10ffff}]", "(?!)")
    assert bool(re.fullmatch(pattern, str(value))) == inside
