"""What does a grammar cost, and what do forced runs give back?

In turn within one run (A B A B), one stream and eight. An open grammar's answers beside free ones,
in tokens a second, both without speculation: random weights repeat themselves, and what is gained
by that says nothing of masks. A forcing grammar's answers with all that the engine does for them
beside the same ones without speculation, in characters a second.

    python -m bench.constrained [--rounds N] [--tokens N] [--hidden N]
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.machine import describe
from mlx_responses.engine import blas  # before mlx: it puts a fast BLAS in front of mlx's own

from bench.inside import Inside, Spoken, engine_of, speed  # isort: skip
from bench.random_model import make_model  # isort: skip
from mlx_responses.engine.job import Sampling  # isort: skip
from mlx_responses.grammar import Grammars, Source, Vocabulary  # isort: skip
from mlx_responses.grammar.index import Table  # isort: skip

QUESTION = "List the people of the town."
STREAMS = (1, 8)

OPEN = r'(?:"[A-Za-z ,.]+"\n)+'
"""Strings, a line each, mostly free text: what a mask costs."""

FORCED = r'(?:\{"identification_number": [0-9], "is_currently_employed": (?:true|false)\}\n)+'
"""Objects, a line each, mostly names of members: what forced runs give back."""

NEVER_ENDS = -100.0
"""Bias of the end token: all answers are of one length. Every side pays for it."""


def main() -> None:
    """Print one line a question: medians and the ratio's range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--hidden", type=int, default=384)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        size = make_model(Path(name), hidden=flags.hidden, layers=6)
        print(
            f"{describe()}; BLAS {blas.blas_in_use()}; model: random Qwen3, {size / 1e6:.0f} M, "
            f"float32; greedy, {flags.tokens} tokens"
        )
        with (
            engine_of(Path(name), speculation=False) as stepping,
            engine_of(Path(name)) as jumping,
        ):
            _report(stepping, jumping, flags.rounds, flags.tokens)


def _report(stepping: Inside, jumping: Inside, rounds: int, tokens: int) -> None:
    vocabulary = Vocabulary.of(stepping.tokenizer, stepping.loaded.vocab_size)
    ends = tuple((token, NEVER_ENDS) for token in stepping.tokenizer.eos_ids)
    job = {
        "prompt": stepping.tokenizer.encode(QUESTION),
        "max_tokens": tokens,
        "sampling": Sampling(temperature=0.0, logit_bias=ends),
    }

    def characters(spoken: list[Spoken]) -> float:
        said = sum(len(stepping.tokenizer.token_bytes(i)) for s in spoken for i in s.ids[1:])
        return said / sum(len(s.ids) - 1 for s in spoken) * speed(spoken)

    # At a budget below zero every grammar is llguidance's; the index takes what fits in time.
    for engine, budget_ms in (("index", 60_000), ("llguidance", -1)):
        grammars = Grammars(vocabulary, budget_ms=budget_ms)
        loose, tight = grammars.regex(OPEN), grammars.regex(FORCED)
        assert all(isinstance(source, Table) == (engine == "index") for source in (loose, tight))
        for streams in STREAMS:
            free, bound, slow, fast = [], [], [], []
            for _ in range(rounds + 1):
                free.append(speed(stepping.run([job] * streams)))
                bound.append(speed(stepping.run(_under(loose, job, streams))))
                before = stepping.run(_under(tight, job, streams))
                after = jumping.run(_under(tight, job, streams))
                assert [each.ids for each in before] == [each.ids for each in after]
                slow.append(characters(before))
                fast.append(characters(after))
            _tell(f"open grammar, {engine}, {streams} stream(s)", "tokens", free, bound)
            _tell(f"forcing grammar, {engine}, {streams} stream(s)", "characters", slow, fast)


def _under(source: Source, job: dict[str, Any], streams: int) -> list[dict[str, Any]]:
    return [{**job, "guide": source.start()} for _ in range(streams)]


def _tell(what: str, unit: str, before: list[float], after: list[float]) -> None:
    """One line; the first round, which warms both, is left out."""
    ratios = sorted(there / here for here, there in zip(before[1:], after[1:], strict=True))
    slow, fast = statistics.median(before[1:]), statistics.median(after[1:])
    print(
        f"{what}: {fast:.0f} {unit}/s, beside {slow:.0f}, "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


if __name__ == "__main__":
    main()
