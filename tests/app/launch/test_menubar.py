"""The menu bar over a recorded rumps, its looks at a real server, its deeds as command lines."""

import functools
import inspect
import itertools
import os
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future

import httpx
import msgspec
import pytest

from mlx_responses.app.__main__ import main
from mlx_responses.app.cli import menubar as verb
from mlx_responses.app.cli.client import Client, Refused
from mlx_responses.app.launch import LaunchFailed, Systemd, execute
from mlx_responses.app.launch.controls import Controls, spawn
from mlx_responses.app.launch.glance import Glance, Look, Model
from mlx_responses.app.launch.menubar import SECONDS, Menubar
from mlx_responses.app.runfile import Server, find_server
from mlx_responses.app.stats import FailureTold
from mlx_responses.errors import Failure
from mlx_responses.wire.response import ResponseError
from tests.app.launch import fake_rumps
from tests.app.launch.recorded import Recorded

PROGRAM = f"{sys.executable} -P -m mlx_responses.app"
URL = "http://127.0.0.1:8642"
BUSY = Glance(
    url=URL,
    models=(Model("pocket", True), Model("qwen3-8b", False)),
    tokens_per_second=41.6,
    memory_bytes=2 * 10**9,
    memory_budget=16 * 10**9,
    running=2,
    queued=1,
    errors=("22:10 late", "22:09 early"),
)


class AtOnce(Executor):
    """Runs what is submitted before it returns."""

    def submit(self, work, /, *given, **named):
        future = Future()
        try:
            future.set_result(work(*given, **named))
        except Failure as error:
            future.set_exception(error)
        return future


class World:
    """A menu over glances that are set by hand, and controls whose programs are recorded."""

    def __init__(self, tmp_path):
        self.run = Recorded()
        self.spawned, self.loaded = [], []
        self.service = Systemd(self.run, config=tmp_path)
        self.glance = Glance()
        controls = Controls(
            self.run, self.spawned.append, self.service, ("--data-dir", str(tmp_path))
        )
        self.where = f"--data-dir {tmp_path}"
        self.bar = Menubar(fake_rumps, lambda: self.glance, controls, self.loaded.append, AtOnce())

    def see(self, glance):
        """The next look finds this, and the tick after it shows it."""
        self.glance = glance
        self.bar.tick(None)
        self.bar.tick(None)


@pytest.fixture
def world(tmp_path):
    fake_rumps.alerts.clear()
    return World(tmp_path)


def titles(menu):
    return [item.title for item in menu.items.values() if item is not fake_rumps.separator]


def greyed(bar):
    items = (bar.start, bar.stop, bar.restart, bar.page, bar.copy)
    return [item.title for item in items if item.callback is None]


def test_the_menu_before_anything_is_known(world):
    assert titles(world.bar.app.menu) == [
        "No server runs",
        "Memory 0 B of 0 B",
        "0 running, 0 queued",
        *("Start", "Stop", "Restart"),
        *("Model", "Open page", "Copy base URL", "Recent errors", "Start at login"),
    ]
    assert greyed(world.bar) == ["Stop", "Restart", "Open page", "Copy base URL"]
    assert titles(world.bar.models) == ["no server runs"]
    world.bar.run()
    assert world.bar.app.ran
    assert (world.bar._timer.started, world.bar._timer.interval) == (True, SECONDS)


def test_a_busy_server_is_seen_at_a_glance(world):
    world.see(BUSY)
    assert world.bar.app.title == "mlx 42/s"
    assert world.bar.status.title == "pocket: 42 tokens/s"
    assert world.bar.memory.title == "Memory 2.0 GB of 16.0 GB"
    assert world.bar.queue.title == "2 running, 1 queued"
    assert greyed(world.bar) == ["Start"]
    assert [(i.title, i.state) for i in world.bar.models.items.values()] == [
        ("pocket", 1),
        ("qwen3-8b", 0),
    ]
    assert titles(world.bar.errors) == ["22:10 late", "22:09 early"]
    world.see(Glance(url=URL, fault="silent"))
    assert world.bar.app.title == "mlx ..."
    assert titles(world.bar.errors) == ["none"]


def test_a_click_on_a_model_loads_it(world):
    world.see(BUSY)
    world.bar.models.named("qwen3-8b").click()
    assert world.loaded == ["qwen3-8b"]


def test_every_button_runs_exactly_one_command_line(world):
    world.see(BUSY)
    lines = world.run.lines
    for item, line in (
        (world.bar.stop, f"{PROGRAM} stop {world.where}"),
        (world.bar.page, f"open {URL}/"),
        (world.bar.copy, f'osascript -e set the clipboard to "{URL}/v1"'),
        (world.bar.login, f"{PROGRAM} service install {world.where}"),
    ):
        lines.clear()
        item.click()
        assert lines == [line]


def test_without_a_service_a_process_is_started_and_with_one_the_service(world):
    world.bar.start.click()
    assert [" ".join(argv) for argv in world.spawned] == [f"{PROGRAM} serve {world.where}"]
    world.service.path.parent.mkdir(parents=True)
    world.service.path.touch()
    world.see(BUSY)
    world.bar.restart.click()
    world.bar.login.click()
    assert len(world.spawned) == 1
    assert world.run.lines == [
        f"{PROGRAM} stop {world.where}",
        f"{PROGRAM} service restart",
        f"{PROGRAM} service uninstall",
    ]


def test_what_fails_is_told_once(world):
    world.see(BUSY)
    world.run.answers[f"{PROGRAM} stop"] = (1, "mlx-responses: Process 7 has not ended in 45 s")
    world.bar.stop.click()
    assert fake_rumps.alerts == []
    world.bar.tick(None)
    world.bar.tick(None)
    ((title, message),) = fake_rumps.alerts
    assert title == "mlx-responses"
    assert "Process 7 has not ended in 45 s. `mlx-responses doctor`" in message


def look_at(tmp_path, find, url):
    clock = itertools.count().__next__  # a second passes with each look
    service = Systemd(Recorded(), config=tmp_path)
    return Look(find, lambda: Client(url, None), service, tmp_path / "my.log", clock)


def test_a_look_at_a_real_server_tells_its_models_memory_and_speed(pocket_server, tmp_path):
    server = Server(pid=1, url=pocket_server, model="pocket", version="0")
    look = look_at(tmp_path, lambda: server, pocket_server)
    first = look()
    assert (first.url, first.fault) == (pocket_server, None)
    assert Model("pocket", True) in first.models
    assert 0 < first.memory_bytes < first.memory_budget
    assert first.tokens_per_second == 0
    body = {"model": "pocket", "input": "Hi", "max_output_tokens": 20, "logit_bias": {"65": 100}}
    assert httpx.post(f"{pocket_server}/v1/responses", json=body, timeout=60).status_code == 200
    assert look().tokens_per_second >= 20
    with Client(pocket_server, None) as client:
        client.load("pocket")
        with pytest.raises(Refused, match="'gpt-9' does not exist"):
            client.load("gpt-9")


def test_a_look_where_nobody_serves_or_answers_raises_nothing(tmp_path):
    (tmp_path / "my.log").write_text(
        "2026-11-26 22:08:00,123 INFO app.serve: fine\n"
        "2026-11-26 22:09:00,123 WARNING app.serve: late\n"
        "2026-11-26 22:10:00,123 ERROR app.serve: broken\n"
        "2026-11-26 22:10:01,123 ERROR app.serve: broken\n"
    )
    (tmp_path / "systemd" / "user").mkdir(parents=True)
    (tmp_path / "systemd" / "user" / "mlx-responses.service").touch()
    glance = look_at(tmp_path, lambda: None, "http://127.0.0.1:9")()
    assert glance == Glance(at_login=True, errors=("22:10 broken", "22:09 late"))
    server = Server(pid=1, url="http://127.0.0.1:9", model="pocket", version="0")
    glance = look_at(tmp_path, lambda: server, "http://127.0.0.1:9")()
    assert glance.url == "http://127.0.0.1:9"
    assert "does not answer" in glance.fault


def test_turns_that_failed_come_before_what_the_log_warns_of(pocket_server, tmp_path):
    (tmp_path / "my.log").write_text(
        '{"time": "2026-11-26T22:09:00.123+0000", "level": "warning", "message": "late", "x": 1}\n'
        '{"time": "2026-11-26T22:10:00.123+0000", "level": "info", "message": "fine"}\n'
        '{"time": "2026-11-26T22:1'
    )
    told = FailureTold("resp_1", "pocket", 0, ResponseError(code="server_error", message="lost"))

    class Failing(Client):
        def get(self, path, **params):
            found = super().get(path, **params)
            return found | {"failures": [msgspec.to_builtins(told)]} if "stats" in path else found

    server = Server(pid=1, url=pocket_server, model="pocket", version="0")
    service = Systemd(Recorded(), config=tmp_path)
    ask = functools.partial(Failing, pocket_server, None)
    look = Look(lambda: server, ask, service, tmp_path / "my.log", itertools.count().__next__)
    assert look().errors == ("pocket: lost", "22:09 late")


def test_it_starts_sees_and_stops_a_real_server(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(f"port = 0\ndata_dir = '{tmp_path}'\n")
    service = Systemd(Recorded(), config=tmp_path)
    controls = Controls(execute, spawn, service, ("--config", str(config)))

    clock = itertools.count().__next__

    def ask():
        return Client(find_server(tmp_path).url, None)

    def until(wanted):
        for _ in range(600):
            if wanted(glance := look()):
                return glance
            threading.Event().wait(0.1)
        raise AssertionError(look())

    look = Look(lambda: find_server(tmp_path), ask, service, tmp_path / "none", clock)
    controls.start()
    try:
        seen = until(lambda glance: glance.url and not glance.fault)
        assert seen.models == (Model("pocket", True),)
    finally:
        controls.stop()
    assert look() == Glance()


def test_a_spawned_process_has_a_session_of_its_own(tmp_path):
    made = tmp_path / "made"
    program = f"import os; print(os.getsid(0), file=open('{made}.part', 'w'), flush=True)"
    spawn(["sh", "-c", f'"{sys.executable}" -c "{program}"; mv {made}.part {made}'])
    waiting = f"until test -e {made}; do sleep 0.02; done"
    subprocess.run(["sh", "-c", waiting], timeout=20, check=True)
    assert int(made.read_text()) != os.getsid(0)


def test_away_from_macos_the_verb_says_where_to_look(capsys):
    if sys.platform != "darwin":
        assert main(["menubar"]) == 1
        assert "`mlx-responses ps` shows the same here" in capsys.readouterr().err
        with pytest.raises(LaunchFailed, match="-m pip install rumps"):
            verb._rumps("darwin")


def test_the_recorded_surface_is_that_of_rumps():
    rumps = pytest.importorskip("rumps", reason="macOS only")
    for name in ("App", "MenuItem", "Timer", "alert"):
        theirs, ours = (inspect.signature(vars(module)[name]) for module in (rumps, fake_rumps))
        assert list(theirs.parameters) == list(ours.parameters)
