"""A finished document is held against its schema: places are told, contents are not."""

from typing import Any

import pytest

from mlx_responses.grammar.afterwards import broken_at

SCHEMA = {"type": "object", "properties": {"a/b": {"contains": {"const": 1}}}, "required": ["a/b"]}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ('{"a/b": [1]}', None),
        ('{"a/b": [2]}', "contains at #/a~1b"),
        ("{}", "required at #"),
        ('{"a/b": ', "no JSON at #"),
        ("[" * 100_000, "no JSON at #"),
    ],
)
def test_the_first_broken_place_is_told(document: str, told: str | None) -> None:
    assert broken_at(SCHEMA, document) == told


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/hostname"},
        {"$schema": "https://example.com/draft", "type": "object"},
        {"pattern": "(?=a)("},
        {"type": "nothing"},
    ],
)
def test_a_schema_that_cannot_be_read_checks_nothing_and_fetches_nothing(schema: Any) -> None:
    assert broken_at(schema, '"text"') is None


def test_a_pattern_is_matched_in_time_that_grows_with_the_text_alone() -> None:
    schema = {"pattern": "^(a+)+$"}
    assert broken_at(schema, f'"{"a" * 50_000}b"') == "pattern at #"
