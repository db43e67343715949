"""The tree of failures: drawn at the top of its file, and true."""

import re

import pytest

from mlx_responses import errors
from mlx_responses.errors import Failure

DRAWN = re.findall(r"^ *[│├└─ ]*(\w+) +(\d{3}|what)", errors.__doc__, re.MULTILINE)
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


def test_the_drawing_holds_every_failure_once_and_no_other():
    assert sorted(name for name, _ in DRAWN) == sorted(kind.__name__ for kind in KINDS)


def test_the_drawing_hangs_each_failure_under_its_base():
    branch = {}
    for line in errors.__doc__.splitlines():
        if found := re.match(r"^( *[│├└─ ]*)(\w+) +(?:\d{3}|what)", line):
            depth = len(found[1]) // 4
            branch[depth] = found[2]
            base = branch.get(depth - 1, "Exception")
            assert getattr(errors, found[2]).__base__.__name__ == base


@pytest.mark.parametrize(("name", "status"), DRAWN[1:], ids=[name for name, _ in DRAWN[1:]])
def test_a_failure_has_the_status_it_is_drawn_with(name, status):
    assert getattr(errors, name).status == int(status)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_failure_says_its_message_and_its_meaning(kind):
    failure = kind("What is wrong.")
    assert isinstance(failure, Failure)
    assert (str(failure), failure.message) == ("What is wrong.", "What is wrong.")
    assert failure.code == kind.default_code
    assert failure.param is None
    assert kind.__doc__


def test_a_code_given_beats_the_default_one():
    assert errors.RequestError("No.", param="input[0]", code="invalid_json").code == "invalid_json"
    assert errors.PromptTooLong("No.").code == "context_length_exceeded"


def test_an_overload_says_when_to_come_back():
    assert errors.Overloaded("Full.").retry_after_seconds == 1
    assert errors.Overloaded("Full.", retry_after_seconds=5).retry_after_seconds == 5
