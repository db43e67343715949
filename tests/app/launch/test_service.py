"""The service: exact files, exact command lines, and what is said when it cannot be."""

import argparse
import configparser
import contextlib
import logging
import plistlib
import shlex
import subprocess
import sys

import pytest

from mlx_responses.app.__main__ import main
from mlx_responses.app.cli import service as verb
from mlx_responses.app.cli.terminal import Terminal
from mlx_responses.app.launch import Job, Launchd, LaunchFailed, Systemd, job_of, service_here
from mlx_responses.app.launch.service import execute
from mlx_responses.app.logs import logged
from mlx_responses.app.runfile import AlreadyServed, Server, announced, find_server
from mlx_responses.app.settings import Settings, SettingsError
from mlx_responses.errors import Failure
from tests.app.launch.recorded import Recorded

JOB = Job(argv=("/bin/py", "-m", "x", "a b$c%d"), environment={"HF_HOME": '/models "new"'})
LOADED = """gui/501/local.mlx-responses = {
\tactive count = 1
\tstate = running

\tpid = 4711
\tlast exit code = 0
\tendpoints = {
\t\tstate = active
\t}
}"""
NOT_LOADED = (113, 'Could not find service "local.mlx-responses" in domain for user gui: 501')
PRINT = "launchctl print gui/501/local.mlx-responses"


def launchd(tmp_path, answers=None):
    run = Recorded(answers)
    return run, Launchd(run, home=tmp_path / "home", user=501, logs=tmp_path / "logs")


def systemd(tmp_path, answers=None):
    run = Recorded(answers)
    return run, Systemd(run, config=tmp_path / "config")


def test_launchd_is_given_exactly_this_and_no_more(tmp_path):
    run, service = launchd(tmp_path)
    service.install(JOB)
    assert service.path == tmp_path / "home/Library/LaunchAgents/local.mlx-responses.plist"
    assert plistlib.loads(service.path.read_bytes()) == {
        "Label": "local.mlx-responses",
        "ProgramArguments": ["/bin/py", "-m", "x", "a b$c%d", "--log-stderr", "off"],
        "EnvironmentVariables": {"HF_HOME": '/models "new"'},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 30,
        "ExitTimeOut": 45,
        "ProcessType": "Interactive",
        "StandardOutPath": str(tmp_path / "logs/service.log"),
        "StandardErrorPath": str(tmp_path / "logs/service.log"),
    }
    assert (tmp_path / "logs").is_dir()
    assert run.lines == [
        "launchctl enable gui/501/local.mlx-responses",
        f"launchctl bootstrap gui/501 {service.path}",
    ]


def test_launchd_restarts_what_is_loaded_and_bootstraps_what_is_not(tmp_path):
    run, service = launchd(tmp_path)
    service.install(JOB)
    del run.lines[:]
    service.restart()
    run.answers[PRINT] = NOT_LOADED
    service.restart()
    assert run.lines == [
        PRINT,
        "launchctl kickstart -k gui/501/local.mlx-responses",
        PRINT,
        f"launchctl bootstrap gui/501 {service.path}",
    ]


@pytest.mark.parametrize("loaded", [True, False])
def test_launchd_boots_out_what_is_loaded_and_deletes_its_file(tmp_path, loaded):
    run, service = launchd(tmp_path, {} if loaded else {PRINT: NOT_LOADED})
    service.install(JOB)
    del run.lines[:]
    service.uninstall()
    assert not service.path.exists()
    assert run.lines == [PRINT, *["launchctl bootout gui/501/local.mlx-responses"] * loaded]


def test_launchd_says_how_the_service_is(tmp_path):
    run, service = launchd(tmp_path, {PRINT: NOT_LOADED})
    assert (service.status().installed, service.status().running) == (False, False)
    service.install(JOB)
    run.answers[PRINT] = (0, LOADED)
    assert (service.status().running, service.status().pid) == (True, 4711)
    for told, code in (("1", 1), ("78: EX_CONFIG", 78), ("(never exited)", None)):
        run.answers[PRINT] = (0, f"\tstate = not running\n\tlast exit code = {told}\n")
        assert (service.status().running, service.status().last_exit) == (False, code)


def test_systemd_is_given_exactly_this(tmp_path):
    run, service = systemd(tmp_path)
    service.install(JOB)
    assert service.path == tmp_path / "config/systemd/user/mlx-responses.service"
    assert service.path.read_text() == (
        "[Unit]\n"
        "Description=mlx-responses, a local server of the Responses API\n"
        "\n"
        "[Service]\n"
        "Type=exec\n"
        'ExecStart="/bin/py" "-m" "x" "a b$$c%%d"\n'
        'Environment="HF_HOME=/models \\"new\\""\n'
        "Restart=on-failure\n"
        "RestartSec=30\n"
        "RestartPreventExitStatus=2\n"
        "TimeoutStopSec=45\n"
        "\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )
    service.restart()
    service.uninstall()
    assert not service.path.exists()
    assert run.lines == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now mlx-responses.service",
        "systemctl --user restart mlx-responses.service",
        "systemctl --user disable --now mlx-responses.service",
        "systemctl --user daemon-reload",
    ]


def test_systemd_says_how_the_service_is(tmp_path):
    run, service = systemd(tmp_path)
    assert not service.status().installed
    assert run.lines == []
    service.install(JOB)
    run.answers["systemctl --user show"] = (0, "MainPID=7\nExecMainStatus=0\nActiveState=active")
    assert (service.status().running, service.status().pid) == (True, 7)
    run.answers["systemctl --user show"] = (0, "MainPID=0\nExecMainStatus=1\nActiveState=failed")
    assert (service.status().running, service.status().pid) == (False, None)
    assert service.status().last_exit == 1


@pytest.mark.parametrize("kind", [launchd, systemd])
def test_what_is_there_already_or_not_at_all_is_said(tmp_path, kind):
    _, service = kind(tmp_path)
    for act in (service.uninstall, service.restart):
        with pytest.raises(LaunchFailed, match=r"not installed: .*service install"):
            act()
    service.install(JOB)
    with pytest.raises(LaunchFailed, match=r"installed already: .*service restart"):
        service.install(JOB)


@pytest.mark.parametrize(
    ("kind", "failing", "said"),
    [
        (launchd, "launchctl bootstrap", "Bootstrap failed: 5: Input/output error. It needs a"),
        (systemd, "systemctl --user enable", "Failed to connect to bus. It needs a systemd"),
    ],
)
def test_a_system_that_refuses_leaves_nothing_installed(tmp_path, kind, failing, said):
    answer = said.split(". It")[0]
    _, service = kind(tmp_path, {failing: (5, answer)})
    with pytest.raises(LaunchFailed, match=f"failed with code 5: {said}"):
        service.install(JOB)
    assert not service.path.exists()


def test_a_program_that_is_missing_is_said():
    with pytest.raises(LaunchFailed, match=r"no-such-program is not there.*mlx-responses serve"):
        execute(["no-such-program"])
    assert execute(["sh", "-c", "echo told; exit 3"]) == (3, "told")


def test_the_job_is_serve_with_whole_paths_and_no_secret(tmp_path):
    with contextlib.chdir(tmp_path):
        job = job_of(
            {"port": "9000", "data_dir": "data", "action": "install"},
            {
                "MLX_RESPONSES_LOG_FILE": "my.log",
                "MLX_RESPONSES_PORT": "1",
                "MLX_RESPONSES_KEY": "secret",
                "HF_HOME": "/models",
                "HF_TOKEN": "secret",
                "PATH": "/bin",
            },
        )
    serve = (sys.executable, "-P", "-m", "mlx_responses.app", "serve")
    assert job.argv == (*serve, "--port", "9000", "--data-dir", str(tmp_path / "data"))
    assert job.environment == {
        "HF_HOME": "/models",
        "MLX_RESPONSES_LOG_FILE": str(tmp_path / "my.log"),
    }
    with pytest.raises(SettingsError, match="port"):
        job_of({"port": "many"}, {})


def test_what_the_service_starts_serves_from_anywhere_and_ends_well_when_stopped(tmp_path):
    """Code 0 is what tells launchd and systemd that it was stopped, and did not crash."""
    job = job_of({"port": "0", "data_dir": str(tmp_path), "log_stderr": "off"}, {"HF_HOME": "/x"})
    with subprocess.Popen(
        job.argv, env=job.environment, cwd="/", stderr=subprocess.PIPE, text=True
    ) as process:
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("try: "):
                assert find_server(tmp_path).pid == process.pid
                process.terminate()
    assert process.returncode == 0
    assert [line.split(" ")[0] for line in said] == ["mlx-responses", "listening", "try:"]


def test_a_unit_file_is_one_that_parses_to_the_same_words(tmp_path):
    _, service = systemd(tmp_path)
    service.install(JOB)
    parser = configparser.RawConfigParser()
    parser.read(service.path)
    words = shlex.split(parser["Service"]["ExecStart"])
    assert [word.replace("$$", "$").replace("%%", "%") for word in words] == list(JOB.argv)


def test_the_log_stays_out_of_the_file_that_launchd_never_cuts(tmp_path, capsys):
    with logged(Settings(data_dir=tmp_path, log_stderr="off")):
        logging.getLogger("some").warning("told")
    assert "told" in (tmp_path / "server.log").read_text()
    assert capsys.readouterr().err == ""


@pytest.fixture
def act(tmp_path, capsys):
    """The verb over a recorded launchd; its exit code and what it said."""
    run, service = launchd(tmp_path, {PRINT: NOT_LOADED})

    def call(*given):
        parser = argparse.ArgumentParser()
        verb.add_arguments(parser)
        code = verb.act(service, parser.parse_args(given), Terminal())
        return code, *capsys.readouterr()

    return run, service, call


def test_the_verb_installs_tells_restarts_and_uninstalls(act, tmp_path):
    run, service, call = act
    data = ["--data-dir", str(tmp_path / "data")]
    assert call("status")[:2] == (1, f"file\tnot installed ({service.path})\nstate\tnot running\n")
    code, _, err = call("install", "--port", "9000", *data)
    assert (code, err) == (0, f"Installed: {service.path}. It starts now, and at every login.\n")
    words = plistlib.loads(service.path.read_bytes())["ProgramArguments"]
    assert words[4:] == ["serve", "--port", "9000", *data, "--log-stderr", "off"]
    run.answers[PRINT] = (0, LOADED)
    assert call("status")[:2] == (0, f"file\t{service.path}\nstate\trunning, process 4711\n")
    assert '"pid": 4711' in call("status", "--json")[1]
    assert call("restart")[0] == 0
    assert call("uninstall")[0] == 0
    assert not service.path.exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model", "nope"], "The model 'nope' does not exist here."),
        (
            ["--model", "gpt-oss-120b"],
            "is not on this machine. Mend that first: mlx-responses pull",
        ),
        (["--host", "0.0.0.0"], "Make an API key first"),
        (["--tls-cert", "/no/such", "--tls-key", "/no/such"], "there is no file /no/such"),
    ],
)
def test_what_serve_would_refuse_is_not_installed(act, tmp_path, flags, said):
    _, service, call = act
    with pytest.raises((Failure, SettingsError), match=said):
        call("install", "--data-dir", str(tmp_path), *flags)
    assert not service.path.exists()


def test_a_server_that_runs_already_must_end_first(act, tmp_path):
    _, service, call = act
    server = Server(pid=1, url="http://127.0.0.1:1", model="pocket", version="0")
    with (
        announced(tmp_path, server),
        pytest.raises(AlreadyServed, match="Stop it first: mlx-responses stop"),
    ):
        call("install", "--data-dir", str(tmp_path))
    assert not service.path.exists()


def test_on_this_system_the_verb_finds_its_service(capsys):
    assert service_here().path.is_absolute()
    with pytest.raises(SystemExit) as left:
        main(["service"])
    assert left.value.code == 2
    assert "{install,uninstall,status,restart}" in capsys.readouterr().err
