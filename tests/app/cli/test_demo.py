"""demo: runs offline, into a pipe and on a terminal, and leaves nothing."""

import os
import pty
import subprocess
import tempfile
from pathlib import Path

from mlx_responses.app.__main__ import main
from tests.serving import COMMAND

SAID = (
    "The| |capital| of| |France| is| |Paris|.|",
    "Your name is Ada.",
    'get_weather({"city": "Paris"})',
    "The weather in Paris: sunny.",
    '{"name": "Ada Lovelace", "age": 36}',
    "Stopped, and nothing is left.",
)


def left_over():
    return set(Path(tempfile.gettempdir()).glob("mlx-responses-demo-*"))


def test_piped_it_shows_all_four_and_leaves_nothing(capsys):
    before = left_over()
    assert main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in out
    places = [out.index(said) for said in SAID]
    assert places == sorted(places)
    assert left_over() <= before


def test_on_a_terminal_its_titles_are_bold():
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", 0) as screen:
        with subprocess.Popen([*COMMAND, "demo"], stdin=theirs, stdout=theirs) as process:
            os.close(theirs)
            shown = b""
            while SAID[-1].encode() not in shown:
                shown += screen.read(4096)
        assert process.returncode == 0
    text = shown.decode().replace("\r\n", "\n")
    assert "\x1b[1m\n1. A streamed answer" in text
    assert all(said in text for said in SAID)
