"""`make fuzz`: the tests of tests/fuzz, led by atheris to what was not run before, and schemathesis
on the server's own description, for minutes.

    make fuzz                                 # all, a minute each
    make fuzz ARGS="schema --seconds 600"     # one

What it finds is printed with the input that hypothesis makes of it, and ends it with an error.
"""

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris
from hypothesis import given

with atheris.instrument_imports(include=["mlx_responses", "app"]):
    from mlx_responses.catalog import PACKAGED_CATALOG
    from tests.fuzz import test_fuzz
    from tests.serving import serving_model

OPENAPI = "openapi"
DOORS = ("codec", "schema", "dialects", "server_sent_events", "sampling", "requests", "socket")
TARGETS = (*DOORS, OPENAPI)
SEEDS, SEED_BYTES = 32, 2048
"""What atheris begins with: bytes enough for whole values, of which hypothesis makes any."""
HANG_SECONDS = 30
GROWTH_MIB = 3000
"""Of the whole process, its corpus and traces too: what grows without end reaches it."""


def main() -> int:
    """Runs each target in a process of its own, because atheris ends the one that it runs in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], default=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here and asked.targets[0] == OPENAPI:
        return fuzz_openapi(asked.seconds)
    if asked.here:
        return fuzz(asked.targets[0], asked.seconds)
    failed = []
    for target in asked.targets:
        print(f"== {target}, {asked.seconds} s", flush=True)
        command = [sys.executable, "-m", "tools.fuzz", target, "--seconds", str(asked.seconds)]
        if subprocess.run([*command, "--here"], check=False).returncode:
            failed.append(target)
    print("found something: " + ", ".join(failed) if failed else "nothing found")
    return bool(failed)


def fuzz_openapi(seconds: int) -> int:
    """Schemathesis on what the server says of itself in /openapi.json, one request and chains of
    them, until the time is up: no answer may be a 5xx."""
    with (
        tempfile.TemporaryDirectory() as home,
        serving_model(models=PACKAGED_CATALOG, data_dir=Path(home)) as url,
    ):
        program = str(Path(sys.executable).with_name("schemathesis"))
        options = ["--checks", "not_a_server_error", "--max-time", str(seconds), "--no-color"]
        command = [program, "run", f"{url}/openapi.json", *options, "--request-timeout", "600"]
        return subprocess.run(command, check=False, cwd=home).returncode


def fuzz(target: str, seconds: int) -> int:
    """Fuzz here until the time is up, or something is found."""
    with contextlib.ExitStack() as stack:
        if target in test_fuzz.DOORS:
            said, check = test_fuzz.DOORS[target]
            home = stack.enter_context(tempfile.TemporaryDirectory())
            server = serving_model(models=PACKAGED_CATALOG, data_dir=Path(home))
            url = stack.enter_context(server)
            run = given(said)(lambda one: check(url, one))
        else:
            run = getattr(test_fuzz, f"test_{target}")
        once = run.hypothesis.fuzz_one_input
        corpus = stack.enter_context(tempfile.TemporaryDirectory())
        for number in range(SEEDS):
            seed = random.Random(number).randbytes(SEED_BYTES)
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-timeout={HANG_SECONDS}", "-max_len=4096"]
        options += [f"-rss_limit_mb={GROWTH_MIB}", "-print_final_stats=1", "-verbosity=1"]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={corpus}/", corpus], once)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
