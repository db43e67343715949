"""The table of parameters is complete, and says what the codec does."""

import msgspec

from mlx_responses.wire.parameters import parameter_table
from mlx_responses.wire.request import CreateResponse

TABLE = {row.name: row for row in parameter_table()}
NESTED = {"stream_options", "reasoning", "text"}


def test_every_field_of_the_request_is_in_the_table_once():
    assert len(TABLE) == len(parameter_table())
    assert {name.split(".")[0] for name in TABLE} == set(CreateResponse.__struct_fields__)
    assert {name.split(".")[0] for name in TABLE if "." in name} == NESTED


def test_every_row_says_what_happens_and_why():
    for row in TABLE.values():
        assert row.treatment in {"honoured", "echoed", "accepted", "refused", "socket"}
        assert row.note
        assert row.type
        assert (row.code is not None) == (row.treatment in {"refused", "socket"})


def test_types_are_told_with_their_bounds():
    assert TABLE["temperature"].type == "number ≥ 0 and ≤ 2"
    assert TABLE["repetition_penalty"].type == "number > 0 and ≤ 10"
    assert TABLE["top_k"].type == "integer ≥ 0 and ≤ 65536"
    assert TABLE["seed"].type == "integer"
    assert TABLE["truncation"].type == "`auto`, `disabled`"
    assert TABLE["stop"].type == "list of at most 4 entries"
    assert TABLE["safety_identifier"].type == "string of at most 128 characters"
    assert TABLE["conversation"].type == "string of at most 1024 characters or object"
    assert TABLE["stream"].type == "boolean"


def test_a_default_request_asks_for_nothing_that_is_refused():
    request = CreateResponse(model="m", input="x")
    refusable = [row for row in TABLE.values() if row.code]
    assert refusable
    assert not [row.name for row in refusable if row.is_asked(request)]


def test_the_table_can_be_written_as_json():
    assert msgspec.json.encode([row.name for row in parameter_table()]).startswith(b'["model"')
