"""What an import takes with it: shared words stay light, nothing needs a network or weights.

Who may import whom is import-linter's part (pyproject.toml, run by `make check`).
"""

import json
import pkgutil
import subprocess
import sys

import mlx_responses

HEAVY = ("mlx", "mlx_lm", "transformers", "tokenizers", "numpy", "litestar", "uvicorn", "asyncio")
"""What makes a start slow, or ties a notebook to a server or a GPU."""

LIGHT = {"wire", "prompt", "dialects", "timeline", "catalog", "errors", "parts", "text"}


def modules() -> list[str]:
    """Every module of the library, by name; reads folders only, and imports packages alone."""
    return [found.name for found in pkgutil.walk_packages(mlx_responses.__path__, "mlx_responses.")]


def run(program: str) -> str:
    """Standard output of a fresh interpreter that ran `program`."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def taken_by(program: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter holds after `program`."""
    report = f"\nimport json, sys\nprint(json.dumps([p for p in {HEAVY!r} if p in sys.modules]))"
    return set(json.loads(run(program + report).splitlines()[-1]))


def test_the_shared_words_and_the_light_rooms_take_no_mlx_and_no_server():
    light = [name for name in modules() if name.split(".")[1] in LIGHT]
    assert "mlx_responses.wire.request" in light
    assert taken_by(f"import {', '.join(light)}") == set()


def test_the_store_takes_no_mlx_and_no_server():
    assert taken_by("import mlx_responses.store") <= {"numpy"}  # sqlite_utils takes it if it can


def test_what_crosses_the_engine_thread_takes_no_mlx():
    assert taken_by("import mlx_responses.engine.job") == set()


def test_help_is_answered_without_the_heavy_imports():
    program = (
        "from mlx_responses.app.__main__ import main\n"
        "for words in (['--help'], ['serve', '--help']):\n"
        "    try:\n"
        "        main(words)\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0\n"
    )
    assert taken_by(program) == set()


def test_any_module_can_be_imported_without_network_or_weights(tmp_path):
    program = (
        "import socket, os\n"
        "def refuse(*_): raise OSError('no network in this test')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        f"os.environ.update(HOME={str(tmp_path)!r}, HF_HOME={str(tmp_path)!r})\n"
        f"import {', '.join(modules())}\n"
        "import mlx_responses.app.serve\n"
    )
    run(program)
    assert list(tmp_path.iterdir()) == [], "an import wrote into the home folder"
