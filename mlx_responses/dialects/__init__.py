"""What a model writes -> parts. One file per model family, listed in `DIALECTS`; plain is the last.

    reader(name, thinking=..., opening=...)   a Reader of one turn
    detect(control_texts, template_text)      the name of the dialect that a model speaks
    Transcript(...)                           token ids -> parts, with stop strings and logprobs

Knows no items, events or grammars.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from mlx_responses.dialects.deepseek import DEEPSEEK, DEEPSEEK_DSML
from mlx_responses.dialects.dialect import Brackets, Dialect, Ear, Parameters, Reader, Schema
from mlx_responses.dialects.gemma import FUNCTION_GEMMA, GEMMA4
from mlx_responses.dialects.glm import GLM, LONGCAT
from mlx_responses.dialects.granite import GRANITE
from mlx_responses.dialects.harmony import HARMONY
from mlx_responses.dialects.invoke import KIMI_K3, MINICPM, MINIMAX, MUSE_SPARK
from mlx_responses.dialects.llama import LLAMA
from mlx_responses.dialects.mistral import MISTRAL, MISTRAL_LIST
from mlx_responses.dialects.plain import PLAIN
from mlx_responses.dialects.pythonic import LFM2
from mlx_responses.dialects.qwen import QWEN
from mlx_responses.dialects.qwen3_coder import QWEN3_CODER, SEED_OSS
from mlx_responses.dialects.sections import KIMI
from mlx_responses.dialects.transcript import Transcript
from mlx_responses.dialects.values import is_text

__all__ = [
    "DIALECTS",
    "FALLBACK",
    "Brackets",
    "Dialect",
    "Parameters",
    "Reader",
    "Transcript",
    "detect",
    "is_text",
    "reader",
]

Calls = Literal["any", "bounded", "none"]

_FAMILIES = (
    *(
        HARMONY,
        KIMI_K3,
        MINIMAX,
        DEEPSEEK_DSML,
        DEEPSEEK,
        GEMMA4,
        FUNCTION_GEMMA,
        LONGCAT,
        GLM,
        LFM2,
    ),
    *(SEED_OSS, QWEN3_CODER, KIMI, MINICPM, MISTRAL, MISTRAL_LIST, MUSE_SPARK, GRANITE, LLAMA),
    *(QWEN, PLAIN),
)
"""Those that others resemble come after them."""

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _FAMILIES}
"""Every dialect by name, in the order in which `detect` asks them."""

FALLBACK = QWEN.name
"""What a model speaks that was told by `Prompt.taught` how to write calls."""


def reader(
    name: str,
    *,
    thinking: bool,
    opening: str | None = None,
    calls: Calls = "any",
    tools: Mapping[str, Schema] | None = None,
) -> Reader:
    """A Reader for one turn of a model that speaks `name`; an unknown name is read as plain text.

    thinking  the model was asked to think
    opening   the text that the prompt put in front of the answer (`Prompt.opening`): it says
              whether a thought is open already. Unknown: with `thinking`, what comes first is one.
    calls     any: however a model of the family may write them
              bounded: a grammar holds every call, so only what begins as `forms` do is one
              none: no tool is offered, and markers of calls are text
    tools     the schemas of the offered tools' parameters by name: they decide what a value is
              that a dialect writes without quotes. Unknown: JSON where it parses, else a string.
    """
    dialect = DIALECTS.get(name, PLAIN)
    known = None if thinking and opening is None else opening or ""
    return dialect.reader(Ear(known, calls != "none", tools, calls == "bounded"))


def detect(control_texts: Iterable[str], template_text: str, model_type: str = "") -> str:
    """The name of the first dialect that recognises a model.

    The template is asked first: fine-tuned models keep the control tokens of another family. Where
    it says nothing, the tokens and the architecture that config.json names decide.
    """
    controls = frozenset(control_texts)
    for signs in ((frozenset[str](), template_text, ""), (controls, template_text, model_type)):
        for dialect in DIALECTS.values():
            if dialect is not PLAIN and dialect.recognises(*signs):
                return dialect.name
    return PLAIN.name
