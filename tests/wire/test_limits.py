"""How large a body may be, in each direction: a refusal names the field and its bound."""

import re
import time
from functools import partial
from pathlib import Path

import msgspec
import pytest

from mlx_responses.app.protocols import ConnectionLimits
from mlx_responses.app.settings import Settings
from mlx_responses.app.websocket import SocketLimits
from mlx_responses.errors import RequestError
from mlx_responses.grammar import document
from mlx_responses.wire import codec, conversations, prepare, request
from mlx_responses.wire.chat import CreateChat

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
WORDS = {"role": "user", "content": "Hi"}
LIST, STRING = "array_above_max_length", "string_above_max_length"


def refused(body: dict, kind: type = request.CreateResponse) -> RequestError:
    """How a body is refused."""
    raw = msgspec.json.encode({"model": "m", "input": "Hi", **body})
    decode = partial(codec.decode_body, kind=kind) if kind is CreateChat else codec.decode_request
    with pytest.raises(RequestError) as caught:
        decode(raw)
    return caught.value


@pytest.mark.parametrize(
    ("field", "value", "bound", "code"),
    [
        ("input", [WORDS] * 20_001, "<= 20000", LIST),
        ("input", "x" * 10_485_761, "<= 10485760", STRING),
        ("instructions", "x" * 10_485_761, "<= 10485760", STRING),
        ("tools", [{"type": "function", "name": "f"}] * 1025, "<= 1024", LIST),
        ("logit_bias", {str(n): 1 for n in range(65_537)}, "<= 65536", "object_above_max_prop"),
        ("models", ["m"] * 65, "<= 64", LIST),
        ("include", ["reasoning.encrypted_content"] * 65, "<= 64", LIST),
        ("model", "m" * 1025, "<= 1024", STRING),
        ("user", "u" * 1025, "<= 1024", STRING),
        ("prompt_cache_key", "k" * 1025, "<= 1024", STRING),
        ("previous_response_id", "r" * 1025, "<= 1024", STRING),
        ("conversation", "c" * 1025, "<= 1024", STRING),
    ],
)
def test_what_is_longer_than_its_bound_is_refused_at_its_field(field, value, bound, code):
    refusal = refused({field: value})
    assert refusal.param == field
    assert refusal.code is not None
    assert refusal.code.startswith(code)
    assert bound in refusal.message


def test_a_chat_has_the_same_bounds():
    chat = {"messages": [WORDS] * 20_001}
    assert refused(chat, CreateChat).param == "messages"


@pytest.mark.parametrize("values", ["[]", "{}", "0", '","'])
def test_a_body_of_a_million_values_is_refused_before_it_is_read(values):
    raw = b'{"model": "m", "input": [' + b",".join([values.encode()] * 1_000_001) + b"]}"
    start = time.process_time()
    with pytest.raises(RequestError, match="more than 1000000 values") as caught:
        codec.decode_request(raw)
    assert caught.value.code == "invalid_json"
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "text", ["a,b[c{" * 400_000, '\\"' * 300_000 + "," * 1_000_001, "\n[" * 10**6]
)
def test_a_text_may_have_as_many_commas_and_brackets_as_it_likes(text):
    body, _ = codec.decode_request(msgspec.json.encode({"model": "m", "input": text}))
    assert body.input == text


def test_the_table_of_limits_tells_the_bounds_of_the_code():
    told = " ".join(re.findall(r"^\| .*$", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    connection, lanes = ConnectionLimits(), SocketLimits()
    settings = Settings()
    bounds = [
        f"{settings.max_body_bytes >> 20} MiB",
        f"{settings.max_connections} connections",
        f"{connection.peer} of them from one other machine",
        f"{connection.head_bytes >> 10} KiB",
        f"{connection.request_seconds:g} s",
        f"{connection.unread_seconds:g} s",
        f"{connection.pipelined} requests ahead",
        f"{connection.frames} frames",
        f"{settings.max_turns} turns",
        f"{lanes.turns} at once on a WebSocket",
        f"{lanes.lanes} lanes",
        f"{lanes.waiting} messages",
        f"{codec.MAX_DEPTH} levels",
        f"{codec.MAX_VALUES} values",
        f"{request.INPUT_CHARACTERS} characters",
        f"{request.ITEMS} items",
        f"{request.TOOLS} tools",
        f"{request.BIASES} tokens",
        f"{conversations.MAX_ITEMS} at a time",
        f"{prepare.METADATA_PAIRS} pairs",
        f"{prepare.METADATA_KEY} and {prepare.METADATA_VALUE} characters",
        f"{document.MAX_VALUES} values, {document.MAX_CHARACTERS} characters",
    ]
    assert [bound for bound in bounds if bound not in told] == []
