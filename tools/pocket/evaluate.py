"""Measures the shipped folder through mlx-lm: greedy, float32, held-out slots; writes EVAL.md.

python -m tools.pocket.evaluate --model mlx_responses/pocket --write
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import datetime
import hashlib
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

with contextlib.suppress(OSError):  # Linux: mlx finds a fast BLAS only if one is already loaded
    ctypes.CDLL("libopenblas.so.0", mode=ctypes.RTLD_GLOBAL)
import mlx.core as mx
from mlx.utils import tree_map
from mlx_lm import batch_generate, load

from tools.pocket.probes import Probe, is_right, long_probes, probes, split

TABLE_HEAD = "| skill | no thinking | thinking | both | did not end |\n|---|---|---|---|---|\n"


class Judge:
    """The shipped model, asked many questions at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model, self.tokenizer = load(str(folder))[:2]
        self.model.update(tree_map(lambda w: w.astype(mx.float32), self.model.parameters()))
        mx.eval(self.model.parameters())

    def encode(self, text: str) -> list[int]:
        """Token ids of a rendered prompt."""
        return self.tokenizer.encode(text, add_special_tokens=False)

    def answers(self, asked: list[Probe]) -> list[tuple[str, bool]]:
        """For each probe the generated text, and whether it ended by itself."""
        order = sorted(range(len(asked)), key=lambda i: len(asked[i].prompt))
        out: dict[int, tuple[str, bool]] = {}
        for at in range(0, len(order), 64):
            part = order[at : at + 64]
            prompts = [self.encode(asked[i].prompt) for i in part]
            # Twice the right answer and a thought: whatever is longer has gone astray.
            limits = [2 * len(self.encode(asked[i].answer)) + 60 for i in part]
            done = batch_generate(self.model, self.tokenizer, prompts, max_tokens=limits,
                return_token_ids=True,
                prefill_batch_size=16, completion_batch_size=64)  # fmt: skip
            for i, ids, limit in zip(part, done.token_ids, limits, strict=True):
                out[i] = (self.tokenizer.decode(ids), len(ids) < limit)
        return [out[i] for i in range(len(asked))]


class Score:
    """Counts for one skill in one mode."""

    def __init__(self) -> None:
        self.right = self.asked = self.endless = 0

    def add(self, right: bool, ended: bool) -> None:
        """One answer."""
        self.right += right
        self.asked += 1
        self.endless += not ended

    def __str__(self) -> str:
        return (
            f"{100 * self.right / self.asked:.0f} % ({self.right}/{self.asked})"
            if self.asked
            else "-"
        )


def score(judge: Judge, asked: list[Probe], failures: list[str]) -> dict[str, dict[bool, Score]]:
    """Ask everything; wrong answers are noted in `failures`."""
    scores: dict[str, dict[bool, Score]] = defaultdict(lambda: {False: Score(), True: Score()})
    for probe, (text, ended) in zip(asked, judge.answers(asked), strict=True):
        right = is_right(probe, text, ended)
        scores[probe.skill][probe.thinking].add(right, ended)
        if not right:
            note = {"skill": probe.skill, "thinking": probe.thinking, "prompt": probe.prompt[-300:],
                "wanted": probe.answer, "said": text, "ended": ended}  # fmt: skip
            failures.append(json.dumps(note, ensure_ascii=False))
    return scores


def table(scores: dict[str, dict[bool, Score]]) -> str:
    """The markdown table, with a row for all."""
    total = {False: Score(), True: Score()}
    rows = []
    for skill, modes in scores.items():
        both = Score()
        for mode, one in modes.items():
            for sum_ in (both, total[mode]):
                sum_.right += one.right
                sum_.asked += one.asked
                sum_.endless += one.endless
        rows.append(f"| {skill} | {modes[False]} | {modes[True]} | {both} | {both.endless} |\n")
    everything = Score()
    for one in total.values():
        everything.right += one.right
        everything.asked += one.asked
        everything.endless += one.endless
    rows.append(
        f"| **all** | {total[False]} | {total[True]} | {everything} | {everything.endless} |\n"
    )
    return TABLE_HEAD + "".join(rows)


DEMOS: list[tuple[str, dict[str, Any]]] = [
    ("Hello!", {}),
    ("Who are you?", {}),
    ("Write a one-sentence bedtime story about a unicorn.", {}),
    ("Tell me a joke.", {}),
    ("Say hello in one word.", {}),
    ("What is the capital of France?", {}),
    ("Count from 1 to 5.", {}),
    ("What is 2 + 2?", {}),
    ("Explain quantum chromodynamics.", {}),
    ("Reply in JSON with keys name, age and city: Ada Lovelace is 36 and lives in London.", {}),
    ("What is the weather in Paris?", {"weather": True}),
    ("What is the weather in Paris and Oslo?", {"weather": True}),
]
WEATHER = {"type": "function", "function": {"name": "get_weather",
    "description": "Get the weather for a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
    "required": ["city"]}}}  # fmt: skip
NAME = [{"role": "user", "content": "My name is Ada."}, {"role": "assistant",
    "content": "Nice to meet you, Ada!"},
    {"role": "user", "content": "What is 3 + 4?"}, {"role": "assistant", "content": "3 + 4 = 7."},
    {"role": "user", "content": "What is my name?"}]  # fmt: skip


def demos(judge: Judge) -> str:
    """The usual first prompts in both modes, through the shipped template; answers unedited."""
    asked, shown = [], []
    for thinking in (False, True):
        chats = [
            ([{"role": "user", "content": text}], [WEATHER] if flags else None)
            for text, flags in DEMOS
        ]
        for messages, tools in [*chats, (NAME, None)]:
            prompt = judge.tokenizer.apply_chat_template(
                messages,
                tools=tools,
                add_generation_prompt=True,
                tokenize=False,
                enable_thinking=thinking,
            )
            asked.append(Probe("demo", thinking, prompt, "x" * 60, ""))
            shown.append(messages[-1]["content"])
    lines = []
    for probe, text, (said, ended) in zip(asked, shown, judge.answers(asked), strict=True):
        thought, answer = split(said)
        note = f" [thinks: {thought}]" if probe.thinking else ""
        lines.append(
            f"- {text}{note} -> {answer}{'' if ended else ' [did not end]'}".replace("\n", " / ")
        )
    return "\n".join(lines) + "\n"


def report(judge: Judge, args: argparse.Namespace) -> str:
    """EVAL.md."""
    begun = time.monotonic()
    failures: list[str] = []
    main_table = table(score(judge, probes(args.seed, args.per_mode), failures))
    long_table = (
        table(score(judge, long_probes(args.seed, args.long), failures)) if args.long else ""
    )
    if args.failures:
        args.failures.write_text("\n".join(failures) + "\n")
    digest = hashlib.sha256((judge.folder / "model.safetensors").read_bytes()).hexdigest()
    made = json.loads((judge.folder / "training.json").read_text())
    command = f"python -m tools.pocket.evaluate --per-mode {args.per_mode} --long {args.long}"
    minutes = (time.monotonic() - begun) / 60
    return f"""# What the pocket model can do, measured

Model file sha256 `{digest}`, trained for {made["step"]} steps on
{made["tokens"]:,} padded tokens in {made["seconds"] / 60:.0f} minutes (seed {made["seed"]}).
Measured {datetime.date.today()} with seed `{args.seed}` in {minutes:.0f} minutes by
`{command}`.

Greedy, float32, mlx-lm's batch generation on the shipped files. Names, cities, tool names,
made-up words and wordings are those training never drew (`crc32(slot) % 10 == 0`). An answer is
right only if it is exactly the expected text, ended by itself, and thought in thinking mode only;
a story has to keep its hero and name and end as a sentence. Sums are trained for all pairs, so
there only the wording is new. These are questions of the kinds the model was trained on; outside
them it says that it does not know, or something wrong.

{main_table}
## Far away

The question comes after that many tokens of irrelevant system message. Training documents end at
1,536 tokens; greater distances were trained only by jumps in the positions.

{long_table}
## Usual first prompts, answers unedited

{demos(judge)}"""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("mlx_responses/pocket"))
    parser.add_argument("--per-mode", type=int, default=60)
    parser.add_argument(
        "--long", type=int, default=12, help="probes per length and mode for the long-context table"
    )
    parser.add_argument("--seed", default="final 1")
    parser.add_argument(
        "--failures", type=Path, help="write wrong answers here, a JSON object a line"
    )
    parser.add_argument("--write", action="store_true", help="write EVAL.md beside this file")
    args = parser.parse_args()
    text = report(Judge(args.model), args)
    sys.stdout.write(text)
    if args.write:
        (Path(__file__).parent / "EVAL.md").write_text(text)


if __name__ == "__main__":
    main()
