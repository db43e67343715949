"""The one place that catches whatever comes."""

from mlx_responses.attempt import Fault, attempt
from mlx_responses.errors import LoadFailed


def test_what_works_gives_its_result():
    assert attempt(lambda: 7, "counting") == 7


def test_what_raises_gives_a_fault_with_its_reason_and_is_logged(caplog):
    fault = attempt(lambda: 1 // 0, "dividing")
    assert isinstance(fault, Fault)
    assert fault.reason.startswith("ZeroDivisionError")
    assert "dividing" in caplog.text


def test_a_failure_meant_for_who_asked_is_not_logged(caplog):
    def refuse():
        raise LoadFailed("not here")

    assert attempt(refuse, "loading").error.message == "not here"
    assert caplog.text == ""
