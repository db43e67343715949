"""The one border where failures become HTTP."""

from collections.abc import Iterator

import msgspec
import pytest

from mlx_responses.app.failures import answer
from mlx_responses.errors import Failure, Overloaded


def tree(kind: type[Failure]) -> Iterator[type[Failure]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("kind", list(tree(Failure)), ids=lambda kind: kind.__name__)
def test_every_failure_has_a_status_and_all_four_keys(kind):
    sent = answer(kind("It went wrong."))
    error = msgspec.json.decode(sent.content)["error"]
    assert 400 <= sent.status_code < 600
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"] == "It went wrong."
    assert error["type"] == ("server_error" if sent.status_code >= 500 else "invalid_request_error")


def test_overload_says_when_to_come_back():
    sent = answer(Overloaded("Full.", retry_after_seconds=7))
    assert (sent.status_code, sent.headers["retry-after"]) == (429, "7")


def test_the_field_at_fault_is_named():
    sent = answer(Failure("No.", param="input[0].content", code="invalid_type"))
    error = msgspec.json.decode(sent.content)["error"]
    assert (error["param"], error["code"]) == ("input[0].content", "invalid_type")
