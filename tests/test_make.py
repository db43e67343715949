"""The verbs of the Makefile: the same ones for ever, and none that leads nowhere."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
VERBS = [
    "setup",
    "run",
    "test",
    "slow",
    "fuzz",
    "clients",
    "check",
    "audit",
    "fmt",
    "bench",
    "traces",
    "docs",
    "pocket",
]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_there_and_sets_up_first(verb):
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--always-make", verb],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sh tools/setup.sh dev")


@pytest.mark.parametrize("module", sorted(set(re.findall(r"-m ([a-z][\w.]+)", MAKEFILE))))
def test_a_module_that_a_verb_runs_exists(module):
    assert find_spec(module)


def test_the_machine_of_a_stranger_runs_what_people_run():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "\nset -euo pipefail\n" in script
    assert script.endswith("\nmake check\n")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
