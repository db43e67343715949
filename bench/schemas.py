"""Are documents judged rightly under a mask, and what does the mask cost? Three engines compared.

Over a folder of files `{"schema": ..., "tests": [{"valid": bool, "data": ...}]}`: is every valid
instance let through and every invalid one stopped, or is the schema refused aloud? And how long
until the first mask, and for each one after it, at a real vocabulary of 131k where one is found.

    python -m bench.schemas FOLDER [--vocabulary tekken.json] [--limit N] [--seconds N]
                            [--only ours,ours-any-order,llguidance,outlines]

The vocabulary is that of the mistral-common package if it is installed (its data alone is needed:
`pip install --no-deps mistral-common==1.13.1`), else the pocket model's.
Each engine runs in a process of its own, so that peak memory is its own; a schema that takes an
engine longer than `--seconds` counts as "too slow".
"""

import argparse
import base64
import json
import multiprocessing
import resource
import statistics
import time
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llguidance import LLMatcher
from outlines_core import Index
from outlines_core.json_schema import build_regex_from_schema
from tokenizers import Tokenizer

from bench.machine import describe
from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars, Vocabulary
from mlx_responses.grammar.index import Table
from mlx_responses.grammar.lark import LIMITS, MatcherGuide
from mlx_responses.grammar.phases import allows

POCKET = Path(__file__).parent.parent / "mlx_responses" / "pocket" / "tokenizer.json"


def tekken_file() -> Path | None:
    """The 131k vocabulary that mistral-common carries as data."""
    package = find_spec("mistral_common")
    if package is None or package.origin is None:
        return None
    files = sorted((Path(package.origin).parent / "data").glob("tekken_*.json"))
    return files[-1] if files else None


def read_vocabulary(path: Path | None) -> Vocabulary:
    """Tokens in order of rank, control tokens first; or the pocket model's."""
    if path is None:
        tokenizer = Tokenizer.from_file(str(POCKET))
        size = tokenizer.get_vocab_size()
        texts = [tokenizer.decode([i], skip_special_tokens=False).encode() for i in range(size)]
        end = tokenizer.token_to_id("<|im_end|>")
        return Vocabulary(texts, eos_ids=frozenset({end}), control_ids=frozenset({end}))
    data = json.loads(path.read_text("utf-8"))
    size, controls = (
        data["config"]["default_vocab_size"],
        data["config"]["default_num_special_tokens"],
    )
    tokens = [f"<control {at}>".encode() for at in range(controls)]
    tokens += [base64.b64decode(e["token_bytes"]) for e in data["vocab"][: size - controls]]
    return Vocabulary(tokens, eos_ids=frozenset({2}), control_ids=frozenset(range(controls)))


Start = Callable[[], Any]


def ours(vocabulary: Vocabulary) -> Callable[[Any], Start]:
    """Our schema room, refusing what it cannot enforce."""
    return lambda schema: Grammars(vocabulary).schema(schema, strict=True).start


def any_order(vocabulary: Vocabulary) -> Callable[[Any], Start]:
    """The same, members in any order."""
    return lambda schema: Grammars(vocabulary).schema(schema, strict=True, ordered=False).start


def llguidance(vocabulary: Vocabulary) -> Callable[[Any], Start]:
    """llguidance's own schema compiler, with the separators of json.dumps."""
    options: Any = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}

    def compiled(schema: Any) -> Start:
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=options)
        matcher = LLMatcher(vocabulary.for_matcher, grammar, log_level=0, limits=LIMITS)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return lambda: MatcherGuide(vocabulary, matcher.deep_copy())

    return compiled


def outlines(vocabulary: Vocabulary) -> Callable[[Any], Start]:
    """outlines-core's own schema compiler, and its index."""

    tokens = vocabulary.for_index(list(vocabulary.by_text))

    def compiled(schema: Any) -> Start:
        regex = build_regex_from_schema(json.dumps(schema))
        return Table(vocabulary, Index(regex, tokens)).start

    return compiled


ENGINES: dict[str, Callable[[Vocabulary], Callable[[Any], Start]]] = {
    "ours": ours,
    "ours-any-order": any_order,
    "llguidance": llguidance,
    "outlines": outlines,
}


class Tally:
    """What one engine did with all schemas."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.let_through = 0
        self.turned_away = 0
        self.first_ms: list[float] = []
        self.first_cpu_ms: list[float] = []
        self.mask_ms: list[float] = []
        self.wrong: list[str] = []
        self.refused: list[str] = []

    def add(self, other: "Tally") -> None:
        """Take in another's."""
        self.verdicts += other.verdicts
        self.let_through += other.let_through
        self.turned_away += other.turned_away
        self.first_ms += other.first_ms
        self.first_cpu_ms += other.first_cpu_ms
        self.mask_ms += other.mask_ms
        self.wrong += other.wrong
        self.refused += other.refused

    def judge(self, name: str, start: Start, tests: list[Any], vocabulary: Vocabulary) -> None:
        """Run the instances of one schema, timing every mask."""
        before = self.let_through + self.turned_away
        for test in tests:
            text = json.dumps(test["data"], ensure_ascii=False).encode()
            accepted = self._say(start(), vocabulary.encode(text))
            self.let_through += accepted and not test["valid"]
            self.turned_away += test["valid"] and not accepted
        right = self.let_through + self.turned_away == before
        self.verdicts["right" if right else "wrong"] += 1
        if not right:
            self.wrong.append(name)

    def _say(self, guide: Any, ids: list[int]) -> bool:
        for token in ids:
            begun = time.perf_counter()
            mask = guide.mask()
            self.mask_ms.append(1e3 * (time.perf_counter() - begun))
            if not allows(mask, token):
                return False
            guide.advance(token)
        return bool(guide.accepting)


def work(engine: str, path: Path | None, files: Any) -> None:
    """In a process of its own: take files, answer each with a `Tally` and the peak so far."""
    vocabulary = read_vocabulary(path)
    compile_schema = ENGINES[engine](vocabulary)
    if engine != "outlines":
        vocabulary.make_tables()  # as when a model is loaded
    before = _peak_mib()
    files.send(None)
    while (file := files.recv()) is not None:
        tally = Tally()
        case = json.loads(file.read_text("utf-8"))
        try:
            begun, begun_cpu = time.perf_counter(), time.process_time()
            start = compile_schema(case["schema"])
            start().mask()
            tally.first_ms.append(1e3 * (time.perf_counter() - begun))
            tally.first_cpu_ms.append(1e3 * (time.process_time() - begun_cpu))
            tally.judge(file.stem, start, case["tests"], vocabulary)
        except (RequestError, ValueError) as refusal:
            tally.verdicts["refused"] += 1
            tally.refused.append(f"{file.stem}: {refusal}"[:160])
        files.send((tally, _peak_mib() - before))


class Worker:
    """A process that works through files, and is replaced when it hangs."""

    def __init__(self, engine: str, path: Path | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(engine, path, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def ask(self, file: Path, seconds: int) -> tuple[Tally, float] | None:
        """One file's answer; None if it takes longer, or the process dies of it."""
        self._pipe.send(file)
        try:
            answer: tuple[Tally, float] | None = (
                self._pipe.recv() if self._pipe.poll(seconds) else None
            )
        except EOFError:
            answer = None
        return answer

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.join()


def measure(engine: str, files: list[Path], path: Path | None, seconds: int) -> tuple[Tally, float]:
    """All files with one engine: the sum of what it did, and its peak memory in MiB."""
    total, peak = Tally(), 0.0
    worker = Worker(engine, path)
    for file in files:
        answer = worker.ask(file, seconds)
        if answer is None:
            total.verdicts["too slow"] += 1
            worker.stop()
            worker = Worker(engine, path)
        else:
            total.add(answer[0])
            peak = max(peak, answer[1])
    worker.stop()
    return total, peak


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def percentiles(values: list[float]) -> str:
    """p50, p95, p99 in milliseconds."""
    if len(values) < 2:
        return "-"
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return " / ".join(f"{cuts[at]:.3g}" for at in (49, 94, 98))


def report(engine: str, tally: Tally, peak: float, *, total: int, explain: bool) -> None:
    """One engine's lines."""
    verdicts = tally.verdicts
    shares = ", ".join(f"{name} {count}" for name, count in sorted(verdicts.items()))
    print(f"\n{engine}: {shares}, of {total}")
    print(
        f"  right {verdicts['right'] / total:.1%}, not refused "
        f"{1 - (verdicts['refused'] + verdicts['too slow']) / total:.1%}"
    )
    print(
        f"  invalid instances let through {tally.let_through}, valid ones stopped "
        f"{tally.turned_away}"
    )
    print(f"  first mask ms p50/p95/p99: {percentiles(tally.first_ms)}")
    print(f"  of the CPU:                {percentiles(tally.first_cpu_ms)}")
    print(f"  each mask ms p50/p95/p99:  {percentiles(tally.mask_ms)}")
    print(f"  peak memory above the vocabulary's: {peak:.0f} MiB")
    for refusal in tally.refused if explain else ():
        print(f"  refused {refusal}")
    if tally.wrong:
        print(f"  wrong: {', '.join(tally.wrong[:12])}")


def main() -> None:
    """Read the flags, run the engines one after the other."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    flags.add_argument("folder", type=Path)
    flags.add_argument("--vocabulary", type=Path, default=tekken_file())
    flags.add_argument("--only", default=",".join(ENGINES))
    flags.add_argument("--limit", type=int, default=None)
    flags.add_argument("--seconds", type=int, default=10)
    flags.add_argument("--explain", action="store_true", help="say why each was refused")
    chosen = flags.parse_args()
    files = sorted(chosen.folder.glob("*.json"))[: chosen.limit]
    print(describe())
    print(f"{len(files)} schemas, vocabulary: {chosen.vocabulary or POCKET.name}")
    for engine in chosen.only.split(","):
        tally, peak = measure(engine, files, chosen.vocabulary, chosen.seconds)
        report(engine, tally, peak, total=len(files), explain=chosen.explain)


if __name__ == "__main__":
    main()
