"""What does a grammar cost, and what do forced runs give back?

One model, one engine, in turn within one run: free answers, then answers under a grammar (A B A B),
one stream and eight. Tokens a second where the grammar leaves much open; characters a second where
it forces most of the text.

    python -m bench.constrained [--rounds N] [--tokens N] [--hidden N]
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.machine import describe
from mlx_responses.engine import blas  # before mlx: it puts a fast BLAS in front of mlx's own

from bench.inside import Inside, Spoken, engine_of, speed  # isort: skip
from bench.random_model import make_model  # isort: skip
from mlx_responses.engine.job import Sampling  # isort: skip
from mlx_responses.grammar import Grammars, Source, Vocabulary  # isort: skip

QUESTION = "List the people of the town."
STREAMS = (1, 8)

OPEN = r'(?:"[A-Za-z ,.]+"\n)+'
"""Strings, a line each, mostly free text: what a mask costs."""

FORCED = r'(?:\{"identification_number": [0-9], "is_currently_employed": (?:true|false)\}\n)+'
"""Objects, a line each, mostly names of members: what forced runs give back."""

NEVER_ENDS = -100.0
"""Bias of the end token: all answers are of one length. Every side pays for it."""

Measure = Callable[[list[Spoken]], float]


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
        with engine_of(Path(name)) as inside:
            _report(inside, flags.rounds, flags.tokens)


def _report(inside: Inside, rounds: int, tokens: int) -> None:
    vocabulary = Vocabulary.of(inside.tokenizer, inside.loaded.vocab_size)

    def characters(spoken: list[Spoken]) -> float:
        said = sum(len(inside.tokenizer.token_bytes(i)) for s in spoken for i in s.ids[1:])
        return said / sum(len(s.ids) - 1 for s in spoken) * speed(spoken)

    # At a budget below zero every grammar is llguidance's; the index takes what fits in time.
    for budget_ms in (60_000, -1):
        grammars = Grammars(vocabulary, budget_ms=budget_ms)
        for what, regex, unit, measure in (
            ("open", OPEN, "tokens", speed),
            ("forced", FORCED, "characters", characters),
        ):
            source = grammars.regex(regex)
            for streams in STREAMS:
                pairs = _compare(inside, source, (streams, tokens, rounds), measure)
                free, bound = (statistics.median(side) for side in zip(*pairs, strict=True))
                ratios = sorted(with_it / without for without, with_it in pairs)
                print(
                    f"{what} grammar, {source.engine}, {streams} stream(s): {bound:.0f} {unit}/s, "
                    f"free {free:.0f}, ratio {statistics.median(ratios):.2f} "
                    f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
                )


def _compare(
    inside: Inside, source: Source, plan: tuple[int, int, int], measure: Measure
) -> list[tuple[float, float]]:
    """(free, under the grammar) of each round; the first, which warms both, is left out."""
    streams, tokens, rounds = plan
    ends = tuple((token, NEVER_ENDS) for token in inside.tokenizer.eos_ids)
    job = {
        "prompt": inside.tokenizer.encode(QUESTION),
        "max_tokens": tokens,
        "sampling": Sampling(temperature=0.0, logit_bias=ends),
    }
    measured = []
    for _ in range(rounds + 1):
        free = inside.run([job] * streams)
        bound = inside.run([{**job, "guide": source.start()} for _ in range(streams)])
        measured.append((measure(free), measure(bound)))
    return measured[1:]


if __name__ == "__main__":
    main()
