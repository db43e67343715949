"""What a model writes -> parts. One file per model family, listed in `DIALECTS`; plain is the last.

    reader(name, thinking=..., opening=...)   a Reader of one turn
    detect(control_texts, template_text)      the name of the dialect that a model speaks
    Transcript(...)                           token ids -> parts, with stop strings and logprobs

Knows no items, events or grammars.
"""

from collections.abc import Iterable

from mlx_responses.dialects.dialect import Dialect, Reader
from mlx_responses.dialects.plain import PLAIN
from mlx_responses.dialects.qwen import QWEN
from mlx_responses.dialects.transcript import Transcript

__all__ = ["DIALECTS", "Dialect", "Reader", "Transcript", "detect", "reader"]

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (QWEN, PLAIN)}
"""Every dialect by name, in the order in which `detect` asks them."""


def reader(name: str, *, thinking: bool, opening: str | None = None) -> Reader:
    """A Reader for one turn of a model that speaks `name`; an unknown name is read as plain text.

    thinking  the model was asked to think
    opening   the text that the prompt put in front of the answer (`Prompt.opening`): it says
              whether a thought is open already. Unknown: with `thinking`, what comes first is one.
    """
    dialect = DIALECTS.get(name, PLAIN)
    return dialect.reader(None if thinking and opening is None else opening or "")


def detect(control_texts: Iterable[str], template_text: str) -> str:
    """The name of the first dialect that recognises a model by its tokenizer and chat template."""
    controls = frozenset(control_texts)
    return next(d.name for d in DIALECTS.values() if d.recognises(controls, template_text))
