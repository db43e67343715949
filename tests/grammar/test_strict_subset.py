"""The subset that strict mode documents, keyword by keyword, within its limits, as SDKs send it.

Types, enum, const, anyOf, null unions; string, number and array keywords; $ref, $defs, recursion;
all properties required, `additionalProperties: false`, keys in schema order.
"""

import json
import time

import jsonschema_rs
import pytest
from vocabularies import TINY, accepts, walk

from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars

GRAMMARS = Grammars(TINY)
SECONDS = 5
"""For the largest schema that the subset allows, on a machine that does other things too."""


def closed(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def judge(schema, value):
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(value)


def let_through(schema, value):
    return accepts(GRAMMARS.schema(schema, strict=True), json.dumps(value, ensure_ascii=False))


TEXT, WHOLE, NUMBER, LIST = ({"type": t} for t in ("string", "integer", "number", "array"))
VALUES = [
    ({**TEXT}, ["", "é"], [1, None]),
    ({"type": "boolean"}, [True, False], [0, "true"]),
    ({**WHOLE}, [0, -7], [1.5, "1"]),
    ({**NUMBER}, [1, -2.5, 1e9], ["1", True]),
    ({"type": "null"}, [None], [0, ""]),
    ({"type": ["string", "null"]}, ["a", None], [1]),
    ({"enum": ["a", "b"]}, ["a", "b"], ["c", 1]),
    ({**WHOLE, "enum": [1, 2]}, [1, 2], [3, "1"]),
    ({"const": "x"}, ["x"], ["y"]),
    ({"anyOf": [{**TEXT}, {"type": "null"}]}, ["a", None], [1]),
    ({"anyOf": [closed(a=WHOLE), closed(b=TEXT)]}, [{"a": 1}, {"b": "x"}], [{}, {"a": "x"}]),
    ({**TEXT, "pattern": "^@[a-z_]+$"}, ["@ab_c"], ["@", "ab"]),
    ({**TEXT, "pattern": "[0-9]{2}"}, ["a12b"], ["a1b2"]),
    ({**TEXT, "format": "date-time"}, ["2026-11-26T17:00:00Z"], ["2026-11-26", "26.11.2026"]),
    ({**TEXT, "format": "time"}, ["17:00:00Z"], ["25:00:00Z"]),
    ({**TEXT, "format": "date"}, ["2026-11-26"], ["2026-02-30"]),
    ({**TEXT, "format": "duration"}, ["P1D", "PT1H30M"], ["1 day", "P"]),
    ({**TEXT, "format": "email"}, ["a@b.example"], ["a@", "a b@c.d"]),
    ({**TEXT, "format": "hostname"}, ["host.example"], ["-host", "a b"]),
    ({**TEXT, "format": "ipv4"}, ["10.0.0.1"], ["10.0.0.256"]),
    ({**TEXT, "format": "ipv6"}, ["fe80::1"], ["fe80:::1"]),
    ({**TEXT, "format": "uuid"}, ["00000000-0000-4000-8000-000000000000"], ["0000"]),
    ({**WHOLE, "multipleOf": 4}, [0, 8, -12], [2, 9]),
    ({**NUMBER, "multipleOf": 0.5}, [0.5, 2, -1.5], [0.25]),
    ({**WHOLE, "minimum": -5, "maximum": 10}, [-5, 10], [-6, 11]),
    ({**NUMBER, "minimum": 0.5, "maximum": 1}, [0.5, 0.75, 1], [0.49, 1.01]),
    ({**NUMBER, "exclusiveMinimum": 0, "exclusiveMaximum": 1}, [0.001, 0.999], [0, 1]),
    ({**LIST, "items": WHOLE}, [[], [1, 2]], [["a"], {}]),
    ({**LIST, "items": WHOLE, "minItems": 2, "maxItems": 3}, [[1, 2], [1, 2, 3]], [[1], [1] * 4]),
    (closed(a=WHOLE, b=TEXT), [{"a": 1, "b": "x"}], [{"a": 1}, {}, {"a": 1, "b": "x", "c": 1}]),
    (
        {"$ref": "#/$defs/step", "$defs": {"step": closed(n=WHOLE)}},
        [{"n": 1}],
        [{"n": "a"}],
    ),
    (
        closed(value=WHOLE, next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        [{"value": 1, "next": None}, {"value": 1, "next": {"value": 2, "next": None}}],
        [{"value": 1, "next": {}}, {"value": 1}],
    ),
    (
        {**closed(root={"$ref": "#/$defs/tree"}),
         "$defs": {"tree": closed(kids={**LIST, "items": {"$ref": "#/$defs/tree"}})}},
        [{"root": {"kids": []}}, {"root": {"kids": [{"kids": []}, {"kids": []}]}}],
        [{"root": {"kids": [1]}}],
    ),
    (
        {**TEXT, "title": "T", "description": "d", "default": "x", "examples": ["y"],
         "deprecated": True, "readOnly": True, "$comment": "c", "format": "nobody-knows"},
        ["any"],
        [1],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("inner", "good", "bad"), VALUES, ids=[json.dumps(case[0])[:60] for case in VALUES]
)
def test_a_keyword_is_enforced_in_a_property_of_a_strict_object(inner, good, bad):
    definitions = {"$defs": inner["$defs"]} if "$defs" in inner else {}
    whole = {"$ref": "#"} in inner.get("properties", {}).get("next", {}).get("anyOf", ())
    schema = inner if whole else {**closed(it=inner), **definitions}
    for value in good:
        told = value if whole else {"it": value}
        assert judge(schema, told)
        assert let_through(schema, told), value
    for value in bad:
        told = value if whole else {"it": value}
        assert not judge(schema, told)
        assert not let_through(schema, told), value


def test_keys_come_in_the_order_of_the_schema():
    schema = closed(z=WHOLE, a=WHOLE)
    assert let_through(schema, {"z": 1, "a": 2})
    assert not let_through(schema, {"a": 2, "z": 1})


def test_a_short_document_ends_by_itself_whoever_speaks():
    schema = closed(a=WHOLE, b={"enum": ["x", "y"]}, c={**LIST, "items": WHOLE, "maxItems": 3})
    for seed in range(5):
        said = walk(GRAMMARS.schema(schema, strict=True), seed, most=200)
        assert said is not None, "it is still talking"
        assert judge(schema, json.loads(said))


def nested(depth):
    return closed(a=nested(depth - 1)) if depth else WHOLE


LARGE = {
    "5000 properties": closed(
        **{f"g{i}": closed(**{f"p{j}": {"type": "boolean"} for j in range(49)}) for i in range(100)}
    ),
    "10 levels": nested(10),
    "120000 characters": closed(**{f"{i:0400}": {"type": "null"} for i in range(290)}),
    "1000 enum values": closed(
        **{f"e{i}": {"enum": [f"v{i}_{j}" for j in range(100)]} for i in range(10)}
    ),
    "one enum of 15000 characters": closed(a={"enum": [f"{i:015}" for i in range(1000)]}),
}  # fmt: skip


@pytest.mark.parametrize("schema", LARGE.values(), ids=LARGE)
def test_the_largest_that_the_subset_allows_is_taken(schema):
    begun = time.perf_counter()
    source = Grammars(TINY).schema(schema, strict=True)
    assert source.start().mask().any()
    assert time.perf_counter() - begun < SECONDS


@pytest.mark.parametrize(
    ("keyword", "place"),
    [
        ({"$dynamicRef": "#x"}, "#/properties/a"),
        ({"type": "array", "uniqueItems": True}, "#/properties/a"),
        ({"type": "string", "pattern": r"(x)\1"}, "#/properties/a"),
        ({"type": "array", "contains": {}, "minContains": 2}, "#/properties/a"),
        ({"unevaluatedProperties": False, "allOf": [{}]}, "#/properties/a"),
    ],
)
def test_what_is_beyond_it_and_beyond_us_is_refused_by_keyword_and_place(keyword, place):
    with pytest.raises(RequestError) as refusal:
        GRAMMARS.schema(closed(a=keyword), strict=True)
    assert place in refusal.value.message
    assert any(name in refusal.value.message for name in keyword)
