"""What does each turn of a growing agent transcript wait for its first token?

The same transcript, turn by turn (A B C A B C), to this server, to this server with nothing to
reuse (each prompt begins with another word), and to `mlx_lm.server`: same random weights, same
BLAS. Each turn adds a short answer and a long tool output, as agents do.

    python -m bench.transcript [--turns N] [--words N] [--hidden N] [--layers N]
"""

import argparse
import random
import tempfile
from pathlib import Path

import msgspec

from bench.chat import Message, peer, say
from bench.machine import describe
from bench.served import server
from mlx_responses.engine import blas  # before mlx: it puts a fast BLAS in front of mlx's own

from bench.random_model import make_model  # isort: skip

ANSWER_TOKENS = 8
LAST = 3
"""Turns that are summed up: the longest ones."""
WORDS = (Path(__file__).parent.parent / "ARCHITECTURE.md").read_text("utf-8").split()


class Turn(msgspec.Struct, frozen=True):
    """Seconds to the first token of one turn, three ways."""

    ours: float
    unshared: float
    theirs: float


def output(turn: int, words: int) -> str:
    """What a tool says, the same in every run."""
    return " ".join(random.Random(turn).choices(WORDS, k=words))


def measure(ours: int, theirs: int, model: str, turns: int, words: int) -> list[Turn]:
    """Play the transcript; each server is told the answers that it gave itself."""
    system: Message = {"role": "system", "content": "You are an agent. " + output(-1, words)}
    told: dict[int, list[Message]] = {ours: [system], theirs: [system]}
    measured = []
    for turn in range(turns):
        seconds = []
        for port in (ours, theirs):
            told[port].append({"role": "user", "content": output(turn, words)})
            said = say(port, model, told[port], tokens=ANSWER_TOKENS)
            seconds.append(said.first)
            told[port].append({"role": "assistant", "content": said.text or "."})
        alone = {"role": "system", "content": f"{turn}. {system['content']}"}
        unshared = say(ours, model, [alone, *told[ours][1:-1]], tokens=ANSWER_TOKENS)
        measured.append(Turn(seconds[0], unshared.first, seconds[1]))
    return measured


def main() -> None:
    """Print one line a turn, and the ratios of the last turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--words", type=int, default=50, help="of a tool's output")
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--layers", type=int, default=6)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = make_model(folder, hidden=flags.hidden, layers=flags.layers)
        print(f"{describe()}; BLAS {blas.blas_in_use()}; {size / 1e6:.0f} M parameters, float32")
        with server("--model", name) as ours, peer(folder) as theirs:
            for port in (ours, theirs):  # both sides warm
                say(port, name, [{"role": "user", "content": "hi"}], tokens=ANSWER_TOKENS)
            measured = measure(ours, theirs, name, flags.turns, flags.words)
    report(measured)


def report(measured: list[Turn]) -> None:
    """The table."""
    print("turn   first token, ms: reused  not reused  mlx_lm.server")
    for number, turn in enumerate(measured, 1):
        print(
            f"{number:4}   {turn.ours * 1e3:23.0f}  {turn.unshared * 1e3:10.0f}"
            f"  {turn.theirs * 1e3:13.0f}"
        )
    for end in sorted({min(12, len(measured)), len(measured)}):
        last = measured[max(0, end - LAST) : end]
        ours, unshared, theirs = (
            sum(getattr(turn, side) for turn in last) for side in ("ours", "unshared", "theirs")
        )
        print(
            f"last {len(last)} of {end} turns: {ours / theirs:.2f} of mlx_lm.server's time, "
            f"{ours / unshared:.2f} of the time without reuse"
        )


if __name__ == "__main__":
    main()
