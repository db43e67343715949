"""Every command that README and docs/ show is run as a reader would run it; what is not is listed
here with its reason. Marked examples are run by test_readme.py, SQL by store/test_store_docs.py."""

import json
import shutil
import zipfile
from typing import NamedTuple

import httpx
import pytest
from websockets.sync.client import connect

from tests.fake_hub import fake_hub
from tests.house import ROOT, House
from tests.shown import all_fences, fences, shown
from tests.test_formula import METADATA

POCKET = ROOT / "mlx_responses" / "pocket"
REPOSITORIES = ("mlx-community/Qwen3-8B-4bit", "mlx-community/Qwen3-0.6B-4bit")
"""Of qwen3-8b, and of what it drafts with."""
PULL = "mlx-responses pull qwen3-8b"
UNIT = "mlx-responses.service"
WHEEL = "mlx_responses-1.2.3-py3-none-any.whl"


class Seen(NamedTuple):
    """What a command must say and end with; `before`: what a reader did first; `noted`: what the
    system's own programs are told; `typed`: at the keyboard."""

    says: str = ""
    code: int = 0
    before: str = ""
    typed: str = ""
    noted: tuple[str, ...] = ()


BESIDE_A_SERVER = {
    "mlx-responses chat": Seen("Hello! How can I help you?", typed="Hello\n\x04"),
    "mlx-responses ps": Seen("pocket (loaded"),
    "mlx-responses logs": Seen("listening on http://127.0.0.1:"),
    "mlx-responses models": Seen("qwen3-8b"),
    "mlx-responses doctor": Seen("answers (process"),
    "mlx-responses db": Seen("responses.db"),
    "mlx-responses db export": Seen("## Assistant", before="mlx-responses ask Hi"),
    "sqlite3 -readonly responses.db": Seen("transcript", typed=".tables\n.quit\n"),
    "umask 077; sqlite3 responses.db \"VACUUM INTO 'copy.db'\"": Seen(),
    "mlx-responses VERB --help": Seen("usage: mlx-responses ask"),
    "mlx-responses serve --help": Seen("--port PORT"),
    "mlx-responses keys add laptop": Seen("Keep it"),
    "mlx-responses connect codex": Seen("codex -p mlx", typed="y\n"),
    "mlx-responses connect vercel-ai": Seen("@ai-sdk/openai"),
    "mlx-responses disconnect codex": Seen("restored", before="mlx-responses connect codex --yes"),
    'eval "$(mlx-responses completion bash)"': Seen(),
    "mlx-responses stop": Seen("Stopped http://127.0.0.1:"),
}
"""In this order, with one server; the last one ends it."""

WITH_A_MODEL_PULLED = {
    PULL: Seen(REPOSITORIES[0]),
    "mlx-responses pull NAME": Seen(REPOSITORIES[0]),
    "mlx-responses service install --model qwen3-8b --idle-unload-seconds 600": Seen(
        "Installed: ",
        noted=("systemctl --user daemon-reload", f"systemctl --user enable --now {UNIT}"),
    ),
    "mlx-responses pull NAME --from FOLDER": Seen("Added to "),
    "mlx-responses rm NAME": Seen("freed", typed="y\n"),
    "mlx-responses rm qwen3-8b": Seen("freed", typed="y\n"),
}
"""In this order: the last ones delete what was pulled."""

ALONE = {
    "mlx-responses service install": Seen(
        "Installed: ",
        noted=("systemctl --user daemon-reload", f"systemctl --user enable --now {UNIT}"),
    ),
    "mlx-responses service status": Seen(
        "running, process 4711",
        noted=(f"systemctl --user show {UNIT} --property=ActiveState,MainPID,ExecMainStatus",),
    ),
    "mlx-responses service restart": Seen(
        "Restarted",
        noted=(f"systemctl --user restart {UNIT}",),
    ),
    "mlx-responses service uninstall": Seen(
        "Uninstalled",
        noted=(f"systemctl --user disable --now {UNIT}", "systemctl --user daemon-reload"),
    ),
    "journalctl --user -u mlx-responses": Seen(noted=("journalctl --user -u mlx-responses",)),
    "loginctl enable-linger": Seen(noted=("loginctl enable-linger",)),
    "mlx-responses menubar": Seen("The menu bar is macOS' own", code=1),
    "uname -m": Seen("\n"),
    "python -m tools.formula dist/*.whl"
    ' > "$(brew --repository local/mlx)/Formula/mlx-responses.rb"': Seen(
        noted=("brew --repository local/mlx",)
    ),
    "brew tap-new --no-git local/mlx": Seen(noted=("brew tap-new --no-git local/mlx",)),
    "brew trust --formula local/mlx/mlx-responses": Seen(
        noted=("brew trust --formula local/mlx/mlx-responses",)
    ),
    "brew install local/mlx/mlx-responses": Seen(noted=("brew install local/mlx/mlx-responses",)),
    "brew services start mlx-responses": Seen(noted=("brew services start mlx-responses",)),
}
"""In this order, where no server runs."""

SLOW = {
    "python -m bench.wide": Seen("an enum of 1,000"),
    "mlx-responses completion fish | source": Seen("complete -c mlx-responses"),
    "mlx-responses demo": Seen("Your name is Ada."),
    "mlx-responses bench": Seen("3 rounds of 4 at once"),
    "python -m pip wheel --no-deps --wheel-dir dist .": Seen("Successfully built mlx-responses"),
    "make setup": Seen("ready: .venv"),
    "make docs": Seen(),
    "make fmt": Seen(),
    "make audit": Seen(),
    "make traces": Seen(),
}

SERVING = {
    "mlx-responses serve": "true",
    "mlx-responses serve --port 0": "true",
    "mlx-responses serve --port 9000": "true",
    "mlx-responses serve --host 0.0.0.0": "mlx-responses keys add laptop",
    "mlx-responses serve --model qwen3-8b": PULL,
    "mlx.launch --hostfile hosts.json -- mlx-responses serve --sharding tensor"
    " --model NAME": "true",
    "make run": "true",
}
"""Each with what a reader did first."""

ITSELF = "it runs these very tests"
BY_CI = "a step of .ci/run of its own"
FETCHES = "it fetches from a registry, and other installs are for readers to choose"
LONG = "half an hour or more; test_make.py looks at what it would run"
DATA = "its data are for readers to fetch; grammar/ tests the same on schemas that are here"
NOT_RUN = {
    "make check": ITSELF,
    "make test": ITSELF,
    'make test ARGS="tests/test_live.py -x"': ITSELF,
    "make slow": ITSELF,
    "make web-test": BY_CI,
    "make clients": BY_CI,
    "make fuzz": LONG,
    "make bench": LONG,
    "make pocket": LONG,
    "python -m bench.schemas FOLDER": DATA,
    "pip install openai": FETCHES,
    "pip install --no-deps mistral-common==1.13.1": FETCHES,
    ".venv/bin/python -m pip install rumps": FETCHES,
    "hf auth login": FETCHES,
}

MAC_ONLY = {
    "mlx-responses menubar": "rumps draws on macOS; here it says so",
    "brew tap-new --no-git local/mlx": "Homebrew; a program here notes what it is told",
    "brew trust --formula local/mlx/mlx-responses": "Homebrew",
    "brew install local/mlx/mlx-responses": "Homebrew; test_formula.py runs the formula's Ruby",
    "brew services start mlx-responses": "Homebrew and launchd",
}
"""Run here, and yet not shown to do there what they are for."""


@pytest.fixture(scope="module")
def hub():
    files = {path.name: path.read_bytes() for path in POCKET.iterdir()}
    with fake_hub(*REPOSITORIES, files=files) as running:
        yield running


def furnished(folder, hub):
    """A home with what readers of such pages have: a wheel, a hub, two hosts."""
    house = House(folder, MLX_RESPONSES_PORT="0", HF_ENDPOINT=hub.url)
    (house.work / "dist").mkdir()
    with zipfile.ZipFile(house.work / "dist" / WHEEL, "w") as archive:
        archive.writestr("mlx_responses-1.2.3.dist-info/METADATA", METADATA)
    host = {"ssh": "127.0.0.1", "ips": ["127.0.0.1"]}
    (house.work / "hosts.json").write_text(json.dumps([host, host]))
    return house


@pytest.fixture(scope="module")
def house(hub, tmp_path_factory):
    return furnished(tmp_path_factory.mktemp("house"), hub)


@pytest.fixture
def checkout(hub, tmp_path):
    """A home in a copy of the checkout, ready as `make setup` leaves it."""
    house = furnished(tmp_path, hub)
    unkept = shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, house.work, symlinks=True, ignore=unkept, dirs_exist_ok=True)
    (house.work / ".venv").symlink_to(ROOT / ".venv")
    house.environment["PIP_NO_BUILD_ISOLATION"] = "0"  # pip's way to say: with what is here
    return house


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory):
    """A home in which a server runs that was started as docs/page.md says."""
    folder = tmp_path_factory.mktemp("house")
    house = House(folder, MLX_RESPONSES_PORT="0", MLX_RESPONSES_DATA_DIR=str(folder / "work"))
    with house.serving("mlx-responses serve"):
        yield house


@pytest.fixture(scope="module")
def stocked(hub, tmp_path_factory):
    """A home to which a model was pulled."""
    house = House(tmp_path_factory.mktemp("house"), HF_ENDPOINT=hub.url)
    assert "Fetching" in house.run(PULL)[1]
    return house


def meant(command):
    """What a reader types where a page leaves a place for it."""
    words = {"VERB": "ask", "FOLDER": str(POCKET), "9000": "0", "| source": "| cat"}
    for word, chosen in words.items():
        command = command.replace(word, chosen)
    name = "pocket" if "mlx.launch" in command else "qwen3-8b"
    if "pull NAME --from" in command or "rm NAME" in command:
        name = "mine"
    return command.replace("NAME", name)


def check(house, command, seen):
    if "sqlite3" in command and shutil.which("sqlite3") is None:
        pytest.skip("there is no sqlite3 here")
    if seen.before:
        assert house.run(meant(seen.before))[0] == 0
    code, said, noted = house.run(meant(command), seen.typed)
    assert (code, seen.says in said, tuple(noted)) == (seen.code, True, seen.noted), said


def test_every_command_that_is_shown_is_run_or_listed_with_a_reason():
    run = [*BESIDE_A_SERVER, *WITH_A_MODEL_PULLED, *ALONE, *SLOW, *SERVING]
    listed = [*run, *NOT_RUN]
    assert len(listed) == len(set(listed))
    assert set(shown()) ^ set(listed) == set()
    assert len(NOT_RUN) == 14, "run it instead"
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert [line for line, why in NOT_RUN.items() if why == BY_CI and line not in ci] == []
    assert set(MAC_ONLY) <= set(ALONE)


def test_every_snippet_is_of_a_kind_that_is_run():
    kinds = {(language, mark) for _, mark, language, _ in all_fences()}
    shells = {("sh", ""), ("sh", "<!-- run -->"), ("console", "<!-- tour -->")}
    assert kinds == shells | {
        ("python", "<!-- run -->"),
        ("sql", ""),  # store/test_store_docs.py
        ("toml", ""),  # test_docs.py
        ("json", ""),  # below
    }
    assert {page for page, _, language, _ in all_fences() if language == "sql"} == {"storage.md"}


@pytest.mark.parametrize("command", BESIDE_A_SERVER)
def test_a_command_beside_a_server_does_what_is_told(command, lived_in):
    check(lived_in, command, BESIDE_A_SERVER[command])


@pytest.mark.slow
@pytest.mark.parametrize("command", WITH_A_MODEL_PULLED)
def test_a_command_with_a_model_pulled_does_what_is_told(command, stocked):
    check(stocked, command, WITH_A_MODEL_PULLED[command])


@pytest.mark.parametrize("command", ALONE)
def test_a_command_does_what_is_told(command, house):
    check(house, command, ALONE[command])


@pytest.mark.slow
@pytest.mark.parametrize("command", SLOW)
def test_a_slow_command_does_what_is_told(command, checkout):
    check(checkout, command, SLOW[command])
    assert changed(checkout) == set()


@pytest.mark.slow
@pytest.mark.parametrize("command", SERVING)
def test_a_command_that_serves_serves(command, checkout):
    assert checkout.run(SERVING[command])[0] == 0
    with checkout.serving(meant(command)) as url:
        assert httpx.get(f"{url}/ready").json()["status"] == "ready"


def changed(checkout):
    """Files that a command left otherwise than they are kept."""
    kinds = (".md", ".py", ".jsonl")
    made = {"build"}
    copied = [path.relative_to(checkout.work) for path in checkout.work.rglob("*.*")]
    kept = [path for path in copied if path.suffix in kinds and path.parts[0] not in made]
    return {p for p in kept if (ROOT / p).read_bytes() != (checkout.work / p).read_bytes()}


def test_an_error_on_a_websocket_is_as_shown(pocket_server):
    ((page, _, code),) = fences("json")
    with connect(f"{pocket_server.replace('http', 'ws')}/v1/responses") as socket:
        socket.send("no JSON")
        told = json.loads(socket.recv())
    expected = json.loads(code)
    assert page == "websocket.md"
    assert (told["type"], told["status"]) == (expected["type"], expected["status"])
    assert set(told["error"]) == set(expected["error"])
