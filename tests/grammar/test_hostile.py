"""Schemas and regexes made to hurt: refused with a reason, or compiled; soon, in little memory."""

import resource
import sys
import time

import pytest
from vocabularies import TINY, allowed

from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars

SECONDS = 2.0
"""Of CPU, for any of them, first masks included: most take a hundredth of that."""
MEMORY_MIB = 400
"""For all of them, one after the other; they take 70."""


def peak_bytes():
    """Of this process, so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.fixture(scope="module", autouse=True)
def before():
    """What the process had needed before the first of these."""
    return peak_bytes()


def nested(levels, keyword, inner=True):
    for _ in range(levels):
        inner = {keyword: inner}
    return inner


def doubling(levels):
    """Each definition uses the one before twice: 2^levels ways."""
    one = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n - 1}"}, {"allOf": [
        {"$ref": f"#/$defs/d{n - 1}"}, {"maxLength": n}]}]} for n in range(1, levels)}  # fmt: skip
    return {"$ref": f"#/$defs/d{levels - 1}", "$defs": {"d0": {"type": "string"}, **one}}


REFUSED = {
    "items 3000 deep": (nested(3000, "items"), "too deep"),
    "not 3000 deep": (nested(3000, "not"), "too deep"),
    "a description of 10 MB": ({"description": "x" * 10**7}, "too large"),
    "a key of 10 MB": ({"properties": {"k" * 10**7: {}}}, "too large"),
    "60,000 values": ({"enum": list(range(60_000))}, "too large"),
    "24,000 properties": (
        {"properties": {str(n): {"type": "null"} for n in range(24_000)}},
        "more than 20000 names",
    ),
    "oneOf of 10,000": ({"oneOf": [{"pattern": str(n)} for n in range(10_000)]}, "oneOf"),
    "9^9 combinations": (
        {"allOf": [{"anyOf": [{"required": [f"{i}.{j}"]} for j in range(9)]} for i in range(9)]},
        "allOf: its alternatives have too many combinations",
    ),
    "2^24 conditions": (
        {"allOf": [{"if": {"required": [f"a{n}"]}, "then": {"required": [f"b{n}"]}}
                   for n in range(24)]},
        "too many combinations",
    ),
    "30 key patterns": (
        {"patternProperties": {f"{n}.*{n}$": {"const": n} for n in range(30)}, "type": "object"},
        "key patterns",
    ),
    "50 groups": ({"pattern": "(" * 50 + ")" * 50}, "nested deeper"),
    "x{200000}": ({"pattern": "x{200000}"}, "too large"),
    "minLength 1e9": ({"type": "string", "minLength": 10**9}, "minLength"),
    "minProperties 1e9": ({"type": "object", "minProperties": 10**9}, "minProperties"),
    "itself": ({"$ref": "#"}, "refers to itself"),
    "itself by two": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        "refers to itself",
    ),
    "not itself": ({"not": {"$ref": "#"}}, "refers to itself"),
    "without end": (
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        "without end",
    ),
    "a list without end": ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "without end"),
}  # fmt: skip

TAKEN = {
    "enum of 10,000": {"enum": [f"value {n}" for n in range(10_000)]},
    "anyOf of 2,000": {"anyOf": [{"const": n} for n in range(2_000)]},
    "oneOf of 60": {"oneOf": [
        {"type": "object", "properties": {"kind": {"const": n}}, "required": ["kind"]}
        for n in range(60)]},
    "2^30 ways": doubling(30),
    "5,000 members": {
        "type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(5_000)},
        "required": [f"p{n}" for n in range(5_000)], "additionalProperties": False},
    "1,500 kinds of members": {
        "type": "object", "required": [f"p{n}" for n in range(1_500)],
        "properties": {f"p{n}": {"type": "integer", "minimum": n} for n in range(1_500)},
        "additionalProperties": False},
    "maxLength 1e9": {"type": "string", "maxLength": 10**9},
    "minLength 900,000": {"type": "string", "minLength": 900_000},
    "maxItems 1e9": {"type": "array", "maxItems": 10**9},
    "minItems 1e5 twice": {
        "type": "array", "minItems": 10**5, "items": {"type": "array", "minItems": 10**5}},
    "900^3 repeats": {"type": "string", "pattern": "((a{900}){900}){900}"},
    "(x+x+)+y": {"type": "string", "pattern": "(x+x+)+y"},
    ".*a.{25}": {"type": "string", "pattern": ".*a.{25}"},
    "eight of them": {
        "type": "string", "allOf": [{"pattern": f".*{c}.{{20}}"} for c in "abcdefgh"]},
    "ten lookaheads": {
        "type": "string", "pattern": "".join(f"(?=.*{c})" for c in "abcdefghij") + ".{8,}"},
}  # fmt: skip


@pytest.mark.parametrize(("schema", "reason"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_soon_with_the_reason(schema, reason):
    begun = time.process_time()
    with pytest.raises(RequestError) as refusal:
        Grammars(TINY).schema(schema, strict=True)
    assert time.process_time() - begun < SECONDS
    assert reason in refusal.value.message
    assert refusal.value.code == "invalid_json_schema"
    assert len(refusal.value.message) < 400


@pytest.mark.parametrize("schema", TAKEN.values(), ids=TAKEN)
def test_a_large_but_harmless_one_is_compiled_lazily(schema):
    begun = time.process_time()
    guide = Grammars(TINY).schema(schema, strict=True).start()
    for _ in range(3):
        guide.advance(allowed(guide)[-1])
    assert time.process_time() - begun < SECONDS


@pytest.mark.parametrize("source", ["(a*)*b", "(x+x+)+y", "((a{900}){900}){900}", ".*.*.*=.*"])
def test_a_regex_that_ruins_backtracking_engines_is_harmless(source):
    begun = time.process_time()
    guide = Grammars(TINY).regex(source).start()
    for byte in b"x" * 20:
        guide.mask()
        guide.advance(byte)
    assert time.process_time() - begun < SECONDS


def test_all_of_them_together_took_little_memory(before):
    assert (peak_bytes() - before) / 2**20 < MEMORY_MIB
