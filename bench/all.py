"""Run every benchmark that needs nothing but the project, and write what they print to RESULTS.md.

python -m bench.all [NAME ...]
"""

import argparse
import datetime
import subprocess
import sys
import time
from pathlib import Path

from bench.machine import describe

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "RESULTS.md"
REMARKS = FOLDER / "REMARKS.md"
"""What a reader made of the last figures; it stands behind them, and goes stale with them."""
BENCHES: dict[str, list[list[str]]] = {
    "decode": [["--rounds", "3"], ["--rounds", "3", "--tokens", "96", "--hidden", "384"]],
    "prefill": [[]],
    "connections": [[]],
    "events": [[]],
    "startup": [[]],
    "delivery": [[]],
    "fairness": [[]],
    "transcript": [["--turns", "12"], ["--turns", "20"]],
    "restart": [[]],
    "constrained": [[]],
    "speculation": [[]],
    "store": [[]],
}
"""Each with the flags of its runs."""


def run(name: str, flags: list[str]) -> str:
    """One benchmark's section: its question, the command, and all that it printed."""
    command = ["python", "-m", f"bench.{name}", *flags]
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, *command[1:]], cwd=FOLDER.parent, capture_output=True, text=True
    )
    seconds = time.monotonic() - begin
    said = done.stdout if done.returncode == 0 else done.stdout + done.stderr[-2000:]
    print(said, flush=True)
    head = f"    {' '.join(command)}    # {seconds:.0f} s, exit {done.returncode}"
    return f"{head}\n\n```\n{said.strip()}\n```\n"


def main() -> None:
    """Run them in turn; a failed one is told with what it said, and fails the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(BENCHES), metavar="NAME")
    names = parser.parse_args().names
    today = datetime.datetime.now(datetime.UTC).date()
    parts = [f"# Results\n\nWritten by `make bench` on {today}, on {describe()}.\n"]
    for name in names:
        source = (FOLDER / f"{name}.py").read_text("utf-8")
        question = source.split('"""')[1].split("\n\n")[0]
        parts.append(f"## {name}\n\n{question}\n")
        parts += [run(name, flags) for flags in BENCHES[name]]
    RESULTS.write_text("\n".join([*parts, REMARKS.read_text("utf-8")]), "utf-8")
    if any("exit 0" not in part for part in parts if part.startswith("    ")):
        sys.exit("a benchmark failed; RESULTS.md has what it said")


if __name__ == "__main__":
    main()
