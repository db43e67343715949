"""The Homebrew formula: what it says of a wheel is what the wheel says, and it is Ruby."""

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from tools.formula import formula

NAME = "mlx_responses-1.2.3-py3-none-any.whl"
METADATA = """Metadata-Version: 2.4
Name: mlx-responses
Version: 1.2.3
Summary: A "local" server #{here}
License-Expression: MIT
"""


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mlx_responses-1.2.3.dist-info/METADATA", METADATA)
    return path


@pytest.fixture
def written(wheel):
    return formula(wheel, f"https://example.org/{NAME}", "https://example.org")


def test_it_says_what_the_wheel_says(written, wheel):
    said = dict(re.findall(r'^  (\w+) "(.*?)"(?:, using: :nounzip)?$', written, re.MULTILINE))
    assert said == {
        "desc": 'A \\"local\\" server \\#{here}',
        "homepage": "https://example.org",
        "url": f"https://example.org/{NAME}",
        "version": "1.2.3",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "license": "MIT",
        "depends_on": "python@3.13",
    }


def test_its_blocks_are_those_that_homebrew_knows_and_each_ends(written):
    opened = re.findall(r"^ *(?:class \w+|def \w+|(\w+) do)", written, re.MULTILINE)
    assert [name for name in opened if name] == ["service", "test"]
    assert len(opened) == len(re.findall(r"^ *end$", written, re.MULTILINE))
    assert 'run [opt_bin/"mlx-responses", "serve", "--log-stderr", "off"]' in written


def test_ruby_takes_it(written):
    if shutil.which("ruby") is None:
        pytest.skip("there is no ruby here")
    done = subprocess.run(["ruby", "-c"], input=written, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("url", "homepage", "said"),
    [
        (f"ftp://x/{NAME}", "https://x", "must begin with https://"),
        ("https://x/other.whl", "https://x", f"must end with /{NAME}"),
        (f"https://x/{NAME}", None, "names no homepage"),
    ],
)
def test_what_no_formula_can_be_made_of_is_said(wheel, url, homepage, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        formula(wheel, url, homepage)


def test_the_tool_prints_it_or_what_is_wrong(wheel, tmp_path):
    def call(path):
        tool = [sys.executable, "-m", "tools.formula", str(path), "--homepage", "https://x"]
        url = ["--url", f"file://{path}"]
        return subprocess.run([*tool, *url], capture_output=True, text=True, check=False)

    assert call(wheel).stdout.startswith("class MlxResponses < Formula\n")
    broken = tmp_path / "broken.whl"
    broken.write_text("no zip")
    assert (call(broken).returncode, call(broken).stdout) == (1, "")
    assert "is no wheel" in call(broken).stderr
