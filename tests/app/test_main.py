"""The command line: quick help, clear refusals, a clean stop."""

import contextlib
import resource
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from mlx_responses import __version__
from mlx_responses.app.__main__ import main
from mlx_responses.app.runfile import Server, announced
from tests.serving import COMMAND, serving_process

HEAVY = {"mlx", "mlx_lm", "transformers", "numpy", "litestar", "uvicorn", "asyncio"}


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_imports_nothing_heavy_and_takes_no_time():
    before = children_seconds()
    code = "import mlx_responses.app.__main__, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    helped = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True)
    assert not HEAVY & set(loaded.stdout.split())
    assert "serve" in helped.stdout
    assert children_seconds() - before < 0.6  # two starts, of 0.3 s at most


def test_verbs_are_completed_without_the_engine_or_the_web_server():
    code = "from mlx_responses.app.__main__ import main; main(['completion', 'zsh'])"
    code += "; import sys; print('loaded:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    script, _, loaded = done.stdout.rpartition("loaded:")
    assert script.startswith("#compdef mlx-responses")
    assert not (HEAVY - {"numpy", "asyncio"}) & set(loaded.split())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "serve       start the server"),
        (["sevre"], "there is no verb 'sevre'. Did you mean 'serve'?"),
        (["xyz"], "there is no verb 'xyz'. mlx-responses --help lists them."),
        (["--prot"], "unrecognized arguments: --prot"),
    ],
)
def test_what_is_no_verb_is_told_with_what_there_is(capsys, given, said):
    with pytest.raises(SystemExit) as left:
        main(given)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_a_second_server_of_the_same_data_is_told_of_the_first(capsys, tmp_path):
    first = Server(pid=4711, url="http://127.0.0.1:9000", model="pocket", version="0")
    with announced(tmp_path, first):
        assert main(["serve", "--port", "0", "--data-dir", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "http://127.0.0.1:9000, process 4711. Stop it first: mlx-responses stop." in told
    assert told.count("\n") == 1


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"mlx-responses {__version__}\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["bench", "--streams", "0"], "argument --streams: must be a whole number of at least 1"),
        (["bench", "--rounds", "x"], "--rounds: must be a whole number of at least 1, not 'x'"),
        (["ask", "--max-tokens", "0", "Hi"], "--max-tokens: must be a whole number of at least 1"),
        (["ask", "--temperature", "hot", "Hi"], "--temperature: must be a number, not 'hot'"),
        (["logs", "-n", "-3"], "-n/--lines: must be a whole number of at least 0, not '-3'"),
        (["connect", "nope"], "invalid choice: 'nope'"),
        (["service"], "arguments are required: action"),
    ],
)
def test_a_wrong_flag_is_told_with_what_is_wanted_and_where_help_is(capsys, given, said):
    with pytest.raises(SystemExit) as left:
        main(given)
    told = capsys.readouterr().err
    assert left.value.code == 2
    assert said in told
    assert told.endswith(f"mlx-responses {given[0]} --help tells more.\n")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "abc"], "port: must be 0..65535, got 'abc' (from --port)"),
        (["--models", "/no/such.toml"], "/no/such.toml"),
        (["--model", "other"], "model: The model 'other' does not exist here."),
        (["--model", "org/name"], "or fetch it: mlx-responses pull org/name."),
        (["--data-dir", "/dev/null/x"], "data_dir: cannot make /dev/null/x"),
    ],
)
def test_a_bad_setting_is_one_line_and_exit_code_2(capsys, tmp_path, flags, said):
    with contextlib.chdir(tmp_path):
        assert main(["serve", "--port", "0", "--data-dir", str(tmp_path), *flags]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_an_unknown_flag_is_refused():
    with pytest.raises(SystemExit) as left:
        main(["serve", "--prot", "1"])
    assert left.value.code == 2


def test_a_port_in_use_is_one_line_and_exit_code_1(capsys, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert main(["serve", "--port", port, "--data-dir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1 port {port}" in error
    assert "--port" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_streams_with_their_terminal_event_and_exits_with_0(number, tmp_path):
    body = {"model": "pocket", "input": "Hi", "stream": True, "logit_bias": {"65": 100}}
    with serving_process(tmp_path) as (process, url):
        with httpx.stream("POST", f"{url}/v1/responses", json=body, timeout=30) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: response.created"
            process.send_signal(number)
            *_, done, blank = lines
        assert (done, blank) == ("data: [DONE]", "")
        assert process.wait(10) == 0
