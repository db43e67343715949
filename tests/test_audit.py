"""The audit of dependencies: this environment passes, and what should not pass does not."""

import pytest

from tools.audit import CONSTRAINTS, Installed, needed, pins, problems

PINNED = {"good": "1.0"}


def test_what_is_installed_is_pinned_and_may_be_used():
    found = list(needed())
    assert {"mlx", "litestar", "pytest", "transformers"} <= {one.name for one in found}
    assert list(problems(found, pins(CONSTRAINTS.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Installed("good", "1.1", ("MIT",)), "good 1.1 is installed, and constraints.txt pins 1.0"),
        (Installed("new", "1.0", ("MIT",)), "constraints.txt does not pin it"),
        (Installed("good", "1.0", ("MIT", "AGPL-3.0")), "good is under AGPL-3.0"),
        (Installed("good", "1.0", ("Proprietary",)), "good is under Proprietary"),
        (Installed("good", "1.0", ()), "no licence that it names"),
    ],
)
def test_what_is_wrong_is_said(found, said):
    [line] = problems([found], PINNED)
    assert said in line


def test_a_good_one_passes():
    assert list(problems([Installed("good", "1.0", ("Apache-2.0", "MIT"))], PINNED)) == []
