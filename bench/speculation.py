"""What do proposed tokens gain where an answer repeats its prompt, and cost where it does not?

Two engines of one model, with and without speculation, in turn within one run (A B A B). The model
computes all it has to; what it says is laid down by a script that is added to its logits, so that
an answer can be a copy of a file with a few edits: random weights do not copy.

    python -m bench.speculation [--rounds N] [--hidden N] [--layers N]
"""

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.machine import describe
from mlx_responses.engine import blas  # before mlx: it puts a fast BLAS in front of mlx's own

import mlx.core as mx  # isort: skip
from bench.inside import GREEDY, engine_of, speed  # isort: skip
from bench.random_model import make_model  # isort: skip
from mlx_responses.engine.job import Sampling  # isort: skip
from mlx_responses.engine.load import Assembly, Files, Model, assemble  # isort: skip

ROOT = Path(__file__).parent.parent
FILE = (ROOT / "mlx_responses" / "errors.py").read_text("utf-8")[:600]
EDITS = (("Error", "Fault"), ("raise", "throw"), ("param", "parameter"))
"""Names to change everywhere in the file."""
PROSE = (ROOT / "CHANGELOG.md").read_text("utf-8")[:600]
WARM = Sampling(temperature=0.7, top_p=0.95, seed=1)
LOUDNESS = 25.0
"""Added to the scripted token's logit: decides alone, at any temperature in use."""


class Scripted:
    """A network that says `script` after a prompt of `length` tokens, whatever it thinks."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.line = mx.zeros(1, dtype=mx.uint32)

    def learn(self, length: int, script: list[int]) -> None:
        """What follows which prompt, from now on."""
        self.line = mx.array([0] * (length - 1) + script + [script[-1]] * 64)

    def __call__(self, inputs: mx.array, cache: Any = None) -> mx.array:
        places = mx.arange(inputs.shape[1])
        if cache is not None:
            places = places + mx.array(cache[0].offset)[..., None]
        said = self.line[mx.minimum(places, self.line.size - 1)]
        logits: mx.array = self.network(inputs, cache=cache)
        ids = mx.arange(logits.shape[-1])
        return logits + mx.where(said[..., None] == ids, LOUDNESS, 0.0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


class Pair:
    """The same scripted model in two engines."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._networks: list[Scripted] = []
        self._with, self._without = (
            stack.enter_context(engine_of(folder, self._load, speculation=on))
            for on in (True, False)
        )
        self.encode = self._with.tokenizer.encode

    def _load(self, files: Files) -> Assembly:
        model = yield from assemble(files)
        self._networks.append(Scripted(model.network))
        return Model(self._networks[-1], model.loaded, model.footprint)

    def compare(self, prompt: str, answer: str, sampling: Sampling, rounds: int) -> None:
        """Print tokens a second with and without, and the ratios of the rounds."""
        asked, script = self.encode(prompt), self.encode(answer)
        for network in self._networks:
            network.learn(len(asked), script)
        job = {"prompt": asked, "max_tokens": len(script), "sampling": sampling}
        measured = []
        for _ in range(rounds + 1):  # the first warms both
            plain, guessed = self._without.run([job]), self._with.run([job])
            assert plain[0].ids == guessed[0].ids == script
            measured.append((speed(plain), speed(guessed)))
        ratios = sorted(guessed / plain for plain, guessed in measured[1:])
        plain, guessed = (statistics.median(side) for side in zip(*measured[1:], strict=True))
        print(
            f"  {guessed:.0f} tok/s, plain {plain:.0f}, ratio {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def main() -> None:
    """Print one line a case: medians and the ratio's range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    flags = parser.parse_args()
    edited = FILE
    for before, after in EDITS:
        edited = edited.replace(before, after)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        size = make_model(Path(name), hidden=flags.hidden, layers=flags.layers)
        print(
            f"{describe()}; BLAS {blas.blas_in_use()}; model: random Qwen3, {size / 1e6:.0f} M, "
            f"float32, scripted"
        )
        pair = Pair(Path(name), stack)
        for kind, sampling in (("greedy", GREEDY), ("temperature 0.7", WARM)):
            print(f"edit this file, {kind}:")
            pair.compare(f"Rename these names in the file:\n{FILE}", edited, sampling, flags.rounds)
            print(f"prose on another matter, {kind}:")
            pair.compare("What can this project do?", PROSE, sampling, flags.rounds)


if __name__ == "__main__":
    main()
