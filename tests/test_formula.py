"""The Homebrew formula: one file, filled in for a wheel; Ruby of words that Homebrew has."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mlx_responses.app.settings import Settings
from tests.test_packaging import PROJECT
from tools.formula import FIELD, FORMULA, formula

NAME = "mlx_responses-1.2.3-py3-none-any.whl"
METADATA = """Metadata-Version: 2.4
Name: mlx-responses
Version: 1.2.3
Summary: A "local" server #{here}
License-Expression: MIT
"""
COMMITTED = FORMULA.read_text("utf-8")
FAKE = Path(__file__).parent / "fake_homebrew.rb"
RUBY = shutil.which("ruby")


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mlx_responses-1.2.3.dist-info/METADATA", METADATA)
    return path


def told(text):
    return {name: line.split('"', 1)[1][:-1] for name, line in lines(text).items()}


def lines(text):
    return {found[1]: found[0] for found in FIELD.finditer(text)}


def test_it_says_what_the_wheel_says_and_all_else_is_the_committed_file(wheel):
    written = formula(wheel, f"https://example.org/{NAME}", "https://example.org")
    assert told(written) == {
        "desc": 'A \\"local\\" server \\#{here}',
        "homepage": "https://example.org",
        "url": f"https://example.org/{NAME}",
        "version": "1.2.3",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "license": "MIT",
    }
    assert FIELD.sub("", written) == FIELD.sub("", COMMITTED)


def test_without_an_address_it_installs_the_file_as_it_lies_here(wheel):
    written = told(formula(wheel))
    assert written["url"] == wheel.as_uri()
    assert written["homepage"] == told(COMMITTED)["homepage"]


def test_the_committed_file_names_the_project_and_no_wheel_and_no_host():
    said = told(COMMITTED)
    assert (said["desc"], said["license"]) == (PROJECT["description"], PROJECT["license"])
    assert said["homepage"] == f"http://127.0.0.1:{Settings().port}"
    assert (said["version"], said["sha256"]) == ("0", "0" * 64)
    assert re.findall(r"\w+://[^/\s\"]*", COMMITTED) == [said["homepage"], "file://"]
    (python,) = re.findall(r'depends_on "python@3\.(\d+)"', COMMITTED)
    assert int(python) >= int(PROJECT["requires-python"].removeprefix(">=3."))
    assert COMMITTED.count(f'"python3.{python}"') == 2


def test_its_blocks_are_those_that_homebrew_knows_and_each_ends():
    opened = re.findall(r"^ *(?:(class) \w+|(def) \w+|(\w+) do$)", COMMITTED, re.MULTILINE)
    words = [word for groups in opened for word in groups if word]
    assert words == ["class", "def", "def", "service", "test"]
    assert len(words) == len(re.findall(r"^ *end$", COMMITTED, re.MULTILINE))
    assert COMMITTED.count("<<~EOS") == len(re.findall(r"^ *EOS$", COMMITTED, re.MULTILINE)) == 1


@pytest.mark.skipif(RUBY is None, reason="there is no ruby here")
def test_ruby_runs_it(wheel, tmp_path):
    path = tmp_path / "mlx-responses.rb"
    path.write_text(formula(wheel), "utf-8")
    done = subprocess.run(
        [RUBY, "-w", str(FAKE), str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    asked = json.loads(done.stdout)
    assert asked["depends_on"] == [[{"arch": "arm64"}], [{"macos": "sonoma"}], ["python@3.13"]]
    assert asked["url"] == [[wheel.as_uri(), {"using": "nounzip"}]]
    assert asked["virtualenv_create"] == [
        ["/libexec", "python3.13", {"system_site_packages": False}]
    ]
    pip = "python3.13 -m pip --python=/libexec/bin/python install --no-cache-dir"
    which = f"--only-binary=:all: --no-binary=rumps {NAME}[menubar]"
    assert asked["system"] == [f"{pip} {which}".split()]
    assert asked["install_symlink"] == [["/libexec/bin/mlx-responses"]]
    assert asked["run"] == [[["/opt/bin/mlx-responses", "serve", "--log-stderr", "off"]]]
    assert asked["keep_alive"] == [[{"successful_exit": False}]]
    assert asked["assert_match"][0] == ["1.2.3", "$(/bin/mlx-responses --version)"]
    assert "brew services start mlx-responses" in asked["caveats"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"ftp://x/{NAME}", "must begin with https://"),
        ("https://x/other.whl", f"must end with /{NAME}"),
    ],
)
def test_what_no_formula_can_be_made_of_is_said(wheel, url, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        formula(wheel, url)


def test_the_tool_prints_it_or_what_is_wrong(wheel, tmp_path):
    def call(path):
        tool = [sys.executable, "-m", "tools.formula", str(path)]
        return subprocess.run(tool, capture_output=True, text=True, check=False)

    assert call(wheel).stdout == formula(wheel)
    broken = tmp_path / "broken.whl"
    broken.write_text("no zip")
    assert (call(broken).returncode, call(broken).stdout) == (1, "")
    assert "is no wheel" in call(broken).stderr
