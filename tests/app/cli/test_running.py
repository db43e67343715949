"""ps, logs, stop, and the run file by which verbs find the server."""

import contextlib
import logging
import logging.handlers
import threading

import httpx
import msgspec
import pytest

from mlx_responses.app.__main__ import main
from mlx_responses.app.cli import logs
from mlx_responses.app.cli.terminal import visible
from mlx_responses.app.runfile import RUN_FILE, Server, announced, find_server
from tests.serving import serving_process

SERVER = Server(pid=1, url="http://127.0.0.1:1", model="pocket", version="0")


def test_a_server_is_found_while_it_runs_and_not_after(tmp_path):
    assert find_server(tmp_path) is None
    with announced(tmp_path, SERVER):
        assert find_server(tmp_path) == SERVER
        assert (tmp_path / RUN_FILE).stat().st_mode & 0o077 == 0
    assert find_server(tmp_path) is None
    assert not (tmp_path / RUN_FILE).exists()


def test_the_file_that_a_killed_server_left_is_no_server(tmp_path):
    (tmp_path / RUN_FILE).write_bytes(msgspec.json.encode(SERVER))
    assert find_server(tmp_path) is None


def test_ps_logs_and_stop_find_the_server_by_its_data(tmp_path, capfd):
    here = ["--data-dir", str(tmp_path)]
    with serving_process(tmp_path) as (process, url):
        threading.Thread(target=process.stderr.read, daemon=True).start()
        assert main(["ps", "--json", *here]) == 0
        facts = msgspec.json.decode(capfd.readouterr().out)
        assert (facts["url"], facts["pid"]) == (url, process.pid)
        assert [model["name"] for model in facts["models"]] == ["pocket"]
        assert (facts["turns"], facts["in_flight"]) == (0, [])
        assert main(["ps", *here]) == 0
        assert f"address\t{url} (process {process.pid})" in capfd.readouterr().out
        assert main(["logs", *here]) == 0
        assert f"listening on {url}, model pocket" in capfd.readouterr().out
        assert main(["stop", *here]) == 0
        assert process.wait(10) == 0
    assert main(["logs", "-n", "1", *here]) == 0
    assert capfd.readouterr().out.count("\n") == 1


def test_ps_shows_turns_in_flight_and_how_fast_they_go(pocket_server, capsys):
    endless = {"model": "pocket", "input": "Hi", "background": True, "logit_bias": {"65": 100}}
    with httpx.Client(base_url=pocket_server, timeout=60) as server:
        turn = server.post("/v1/responses", json=endless).json()["id"]
        assert main(["ps", "--json", "--url", pocket_server]) == 0
        facts = msgspec.json.decode(capsys.readouterr().out)
        assert main(["ps", "--url", pocket_server]) == 0
        table = capsys.readouterr().out
        server.post(f"/v1/responses/{turn}/cancel")
    assert turn in [one["id"] for one in facts["in_flight"]]
    assert facts["tokens_per_second"] > 0
    assert f"{turn}\tpocket\tin_progress\t" in table


def test_stopping_what_does_not_run_is_no_failure(tmp_path, capsys):
    assert main(["stop", "--data-dir", str(tmp_path)]) == 0
    assert f"No server runs with the data in {tmp_path}." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (["ps"], "Start one: mlx-responses serve."),
        (["ps", "--url", "http://127.0.0.1:9"], "http://127.0.0.1:9 does not answer"),
        (["ps", "--url", "localhost"], "must begin with http:// or https://"),
        (["logs"], "There is no log at "),
    ],
)
def test_what_is_not_there_is_one_line_that_says_what_to_do(verb, said, tmp_path, capsys):
    assert main([*verb, "--data-dir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_logs_follow_a_file_over_its_rotation(tmp_path):
    path = tmp_path / "server.log"
    file = logging.handlers.RotatingFileHandler(path, maxBytes=1, backupCount=1)
    with (
        contextlib.closing(file),
        path.open() as begun,
        contextlib.closing(logs._added(path, begun)) as followed,
    ):
        for line in ("one", "two", "three"):
            file.emit(logging.makeLogRecord({"msg": line}))
            assert next(followed) == f"{line}\n"


def test_control_characters_do_not_reach_the_terminal():
    assert visible("a\x1b]0;b\x07c\n\td\x9be") == "a]0;bc\n\tde"
