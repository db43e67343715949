"""JSON Schema keywords: which documents the mask lets through, and what is refused by name."""

import json

import pytest
from vocabularies import TINY, accepts

from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars, write_schema

GRAMMARS = Grammars(TINY)
LINKED = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["next"],
            "additionalProperties": False,
        }
    },
}
ENDLESS = {"properties": {"again": {"$ref": "#/$defs/endless"}}, "required": ["again"],
           "type": "object"}  # fmt: skip
ANIMAL = {
    "oneOf": [
        {"properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}}},
        {"properties": {"kind": {"const": "dog"}}},
    ],
    "type": "object",
    "required": ["kind"],
}

CLOSED = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, name: {"type": "integer"}},
            "additionalProperties": False,
            "minProperties": 1,
        }
        for name in ("b", "c")
    ]
}

CASES = [
    ({"type": "string"}, ["", 'a"\\b\n\u0001é😀'], [1, None]),
    ({"type": ["integer", "null"]}, [0, -12, None], [1.5, "a", True]),
    ({"type": "string", "nullable": True}, ["a", None], [1]),
    ({"enum": ["a", 1, None, [1], {"b": 2}]}, ["a", 1, None, [1], {"b": 2}], ["b", [2], {}]),
    ({"const": {"a": [1, "x"]}}, [{"a": [1, "x"]}], [{"a": [1]}, "x"]),
    ({"type": "integer", "minimum": -3, "exclusiveMaximum": 12}, [-3, 0, 11], [-4, 12, 100]),
    ({"type": "number", "minimum": 1.5, "maximum": 20.25}, [1.5, 2, 20.25, 9.99], [1.49, 20.3]),
    ({"type": "number", "exclusiveMinimum": 0}, [0.001, 1e-7, 1e20], [0, -1, -0.0]),
    ({"maximum": 10, "exclusiveMaximum": True, "type": "number"}, [9.5, -1e300], [10, 11]),
    ({"type": "integer", "multipleOf": 5}, [0, 15, -20], [1, 12]),
    ({"type": "number", "multipleOf": 0.01}, [1.25, 3, -0.01], [0.001]),
    ({"type": "integer", "multipleOf": 7, "minimum": 8}, [14, 700], [7, 15]),
    ({"type": "integer", "not": {"multipleOf": 3}}, [1, 4, -5, 100], [0, 3, -12, 99]),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", '"\n😀'], ["a", "abcd"]),
    ({"type": "string", "pattern": "^a+$|b"}, ["aa", "xbx"], ["ac", ""]),
    ({"type": "string", "pattern": "^(?!ab)[a-c]+$"}, ["ba", "a"], ["abc", ""]),
    ({"type": "string", "format": "date"}, ["2024-02-29"], ["2023-02-29", "2024-13-01"]),
    ({"type": "string", "format": "date-time"}, ["2024-01-01T10:00:00Z"], ["2024-01-01"]),
    ({"type": "string", "format": "time"}, ["23:59:60Z", "01:02:03.5+01:00"], ["24:00:00Z"]),
    ({"type": "string", "format": "duration"}, ["P1DT2H", "P3W", "PT5M"], ["P", "1D", "P1S"]),
    ({"type": "string", "format": "email"}, ["a.b@c.org"], ["a@", "@b", "a..b@c"]),
    ({"type": "string", "format": "hostname"}, ["a-b.example"], ["-a", "a..b"]),
    ({"type": "string", "format": "ipv4"}, ["127.0.0.1"], ["256.0.0.1", "1.2.3"]),
    ({"type": "string", "format": "ipv6"}, ["::1", "2001:db8::1:0"], [":::", "1:2"]),
    ({"type": "string", "format": "uuid"}, ["123e4567-e89b-12d3-a456-426614174000"], ["123"]),
    ({"type": "string", "format": "uri"}, ["https://a.b/c?d#e", "urn:x:y"], ["a b", "/x"]),
    ({"type": "string", "format": "made-up"}, ["anything"], [1]),
    (
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        [[1], [1, 2]],
        [[], [1, 2, 3], ["a"]],
    ),
    (
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
        [[], [1], [1, "a"]],
        [["a"], [1, "a", 2]],
    ),
    (
        {"items": [{"const": 1}], "additionalItems": {"const": 2}, "type": "array"},
        [[1, 2, 2], []],
        [[2], [1, 1]],
    ),
    (
        {"type": "array", "contains": {"const": 1}, "items": {"type": "integer"}},
        [[1], [0, 1, 2]],
        [[], [0]],
    ),
    (
        {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
        [[], ["b", "a"]],
        [["a", "a"]],
    ),
    (
        {"properties": {"a": {"const": 1}, "b": {}}, "required": ["b"], "type": "object"},
        [{"b": 0}, {"a": 1, "b": 2, "c": 3}],
        [{"a": 1}, {"a": 2, "b": 1}],
    ),
    (
        {"properties": {"a": {}, "b": {}}, "additionalProperties": False, "type": "object"},
        [{}, {"a": 1}, {"b": 1}, {"a": 1, "b": 2}],
        [{"c": 1}, {"a": 1, "c": 1}],
    ),
    (
        {
            "patternProperties": {"^x": {"type": "integer"}},
            "additionalProperties": {"const": "s"},
            "type": "object",
        },
        [{"x1": 1, "y": "s"}, {}],
        [{"x": "s"}, {"y": 1}],
    ),
    ({"propertyNames": {"pattern": "^[a-z]+$"}, "type": "object"}, [{"ab": 1}], [{"A": 1}]),
    (
        {"type": "object", "maxProperties": 2, "minProperties": 1},
        [{"a": 1}, {"a": 1, "b": 1}],
        [{}, {"a": 1, "b": 1, "c": 1}],
    ),
    (
        {"type": "object", "dependentRequired": {"a": ["b"]}, "properties": {"a": {}, "b": {}}},
        [{}, {"b": 1}, {"a": 1, "b": 1}],
        [{"a": 1}],
    ),
    ({"allOf": [{"type": "integer", "minimum": 2}, {"maximum": 4}]}, [2, 4], [1, 5, "a"]),
    ({"anyOf": [{"type": "integer"}, {"maxLength": 1, "type": "string"}]}, [5, "a"], ["ab", None]),
    (
        ANIMAL,
        [{"kind": "cat", "lives": 9}, {"kind": "dog", "lives": "x"}],
        [{"kind": "cow"}, {"kind": "cat", "lives": "x"}],
    ),
    ({"oneOf": [{"type": "integer"}, {"minimum": 5}]}, [3, 7.5, "a"], [6]),
    ({"not": {"enum": ["a", 1]}, "type": ["string", "integer"]}, ["b", 2, 11], ["a", 1]),
    ({"not": {"required": ["a"]}, "type": "object"}, [{}, {"b": 1}], [{"a": 1}]),
    (
        {
            "type": "array",
            "items": {"enum": list("abcdefgh")},
            "uniqueItems": True,
            "minItems": 2,
            "maxItems": 3,
        },
        [["h", "a"], ["b", "c", "a"]],
        [["a"], ["a", "b", "a"], ["a", "b", "c", "d"], ["x", "y"]],
    ),
    (
        {
            "not": {"const": {"a": [1, 2]}},
            "type": "object",
            "additionalProperties": False,
            "properties": {"a": {"type": "array", "items": {"type": "integer"}}, "b": {"const": 0}},
        },
        [{}, {"a": [1]}, {"a": [1, 3]}, {"a": [1, 2, 3]}, {"a": [1, 2], "b": 0}],
        [{"a": [1, 2]}],
    ),
    (
        {"not": {"prefixItems": [{"const": 1}, {"const": 2}], "items": False}, "type": "array"},
        [[2], [1, 3], [1, 2, 3]],
        [[], [1], [1, 2]],
    ),
    (
        {
            "type": "object",
            "properties": {"a1": {"type": "integer"}, "b": {}},
            "additionalProperties": False,
            "not": {"patternProperties": {"^a": {"const": 1}}},
        },
        [{"a1": 2}, {"a1": 0, "b": None}],
        [{}, {"a1": 1}, {"b": 1}, {"a1": 1, "b": 2}],
    ),
    (
        {
            "type": "object",
            "properties": {"a1": {}, "b": {}},
            "additionalProperties": False,
            "not": {"propertyNames": {"pattern": "^a"}},
        },
        [{"b": 1}, {"a1": 1, "b": 1}],
        [{}, {"a1": 1}],
    ),
    (
        CLOSED,
        [{"b": 1}, {"a": 1, "b": 2}, {"a": 0, "c": 1}, {"c": 1}],
        [{}, {"a": 0}, {"b": 1, "c": 1}],
    ),
    (
        {
            "if": {"properties": {"a": {"const": 1}}, "required": ["a"]},
            "then": {"required": ["b"]},
            "properties": {"a": {}, "b": {}},
            "type": "object",
        },
        [{"a": 1, "b": 0}, {"a": 2}, {}],
        [{"a": 1}],
    ),
    (
        {
            **LINKED,
            "$ref": "#/$defs/any",
            "$defs": {
                **LINKED["$defs"],
                "endless": ENDLESS,
                "any": {"anyOf": [{"$ref": "#/$defs/endless"}, {"$ref": "#/$defs/node"}]},
            },
        },
        [{"next": None}],
        [{"again": {}}, {"again": {"next": None}}],
    ),
    (LINKED, [{"next": None}, {"next": {"next": None}}], [{}, {"next": {"next": 1}}]),
    ({"$ref": "#item", "$defs": {"x": {"$anchor": "item", "type": "null"}}}, [None], [1]),
    (True, [1, "a", [None], {"b": {}}], []),
]


@pytest.mark.parametrize(
    ("schema", "good", "bad"), CASES, ids=[json.dumps(c[0])[:50] for c in CASES]
)
def test_a_mask_lets_through_what_is_valid_and_nothing_else(schema, good, bad):
    compiled = GRAMMARS.schema(schema, strict=True)
    for value in good:
        assert accepts(compiled, json.dumps(value, ensure_ascii=False)), value
    for value in bad:
        assert not accepts(compiled, json.dumps(value, ensure_ascii=False)), value


@pytest.mark.parametrize("text", ['{"a": 1, "b": [2, 3]}', '{"a":1,"b":[2,3]}'])
def test_separators_may_have_one_blank(text):
    assert accepts(GRAMMARS.schema({"type": "object"}, strict=True), text)


@pytest.mark.parametrize("text", ['{ "a": 1}', '{"a":  1}', '{"a": 1 }', '{"a": 1}\n', " {}"])
def test_no_other_white_space_is_let_through(text):
    assert not accepts(GRAMMARS.schema({"type": "object"}, strict=True), text)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "string", "pattern": r"(a)\1"}, "pattern"),
        ({"$dynamicRef": "#x"}, "$dynamicRef"),
        ({"properties": {"p": {"pattern": r"\bx"}}}, "#/properties/p"),
        ({"$ref": "https://elsewhere.example/schema"}, "$ref"),
        ({"$ref": "#/$defs/missing"}, "points at nothing"),
        ({"$ref": "#"}, "itself"),
        ({"type": "strin"}, "strin"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "no value"),
        ({"type": "number", "multipleOf": 3, "minimum": 4, "maximum": 5}, "no value"),
        ({"type": "integer", "minimum": 2, "maximum": 3, "not": {"enum": [2, 3]}}, "no value"),
        ({"type": "string", "format": "date", "maxLength": 9}, "no value"),
        ({"type": "string", "pattern": "^a", "allOf": [{"pattern": "^b"}]}, "no value"),
        ([], "object or a boolean"),
        ({"minLength": -1}, "minLength"),
    ],
)
def test_what_cannot_be_enforced_is_refused_by_name(schema, named):
    with pytest.raises(RequestError) as refusal:
        GRAMMARS.schema(schema, strict=True)
    assert refusal.value.code == "invalid_json_schema"
    assert named in refusal.value.message


def test_without_strict_it_is_left_out_and_named():
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    assert write_schema(schema, strict=False).relaxed == ("uniqueItems at #",)
    relaxed = GRAMMARS.schema(schema, strict=False)
    assert accepts(relaxed, "[1, 1]")
    assert not accepts(relaxed, '["a"]')


def test_a_root_can_be_held_to_be_an_object():
    compiled = GRAMMARS.schema({"properties": {"a": {"const": 1}}}, strict=True, only_object=True)
    assert accepts(compiled, '{"a": 1}')
    assert not accepts(compiled, "3")


def test_an_old_draft_ignores_what_stands_beside_a_reference():
    schema = {"$ref": "#/definitions/a", "maxLength": 1, "definitions": {"a": {"type": "string"}}}
    old = {**schema, "$schema": "http://json-schema.org/draft-07/schema#"}
    assert accepts(GRAMMARS.schema(old, strict=True), '"abc"')
    assert not accepts(GRAMMARS.schema(schema, strict=True), '"abc"')
