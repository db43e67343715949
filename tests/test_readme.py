"""README and docs/ tell the truth: commands and examples run, tables are those of the code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.docs import PAGES, README, written

RUN = re.compile(r"<!-- run -->\n```(sh|python)\n(.*?)```", re.DOTALL)
EXAMPLES = [example for page in PAGES for example in RUN.findall(page.read_text("utf-8"))]
(TOUR,) = re.findall(r"<!-- tour -->\n```console\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
ADDRESS = "http://127.0.0.1:8642"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_code(page):
    text = page.read_text("utf-8")
    assert written(text) == text, "run 'make docs'"


def test_there_are_examples_of_both_kinds():
    assert {language for language, _ in EXAMPLES} == {"sh", "python"}
    assert all(ADDRESS in code or "mlx-responses " in code for _, code in EXAMPLES)


@pytest.fixture
def run(pocket_server, tmp_path):
    """Run a program as a reader would beside a server; it sees what a terminal would show."""

    def call(language, code):
        interpreter = [sys.executable, "-c"] if language == "python" else ["bash", "-euc"]
        done = subprocess.run(
            [*interpreter, code.replace(ADDRESS, pocket_server)],
            cwd=tmp_path,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "MLX_RESPONSES_URL": pocket_server,
                "MLX_RESPONSES_DATA_DIR": str(tmp_path),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return call


@pytest.mark.parametrize(("language", "code"), EXAMPLES)
def test_an_example_runs_and_prints_an_answer(language, code, run):
    said = run(language, code)
    assert said.strip()
    assert '"error":{' not in said


def test_the_tour_says_what_readme_shows(run):
    steps = re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", TOUR, re.MULTILINE)
    assert len(steps) == TOUR.count("$ ") > 3
    assert [(command, run("sh", command)) for command, _ in steps] == steps
