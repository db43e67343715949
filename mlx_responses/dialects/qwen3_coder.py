"""Qwen3-Coder's writing, and Seed-OSS': `<tool_call>` blocks with `<function=f>` and
`<parameter=a>` tags; a value stands on lines of its own.
"""

from mlx_responses.dialects.dialect import Brackets, Dialect, Ear, Parameters
from mlx_responses.dialects.jsoncall import read_block
from mlx_responses.dialects.markup import Markup
from mlx_responses.dialects.scan import Scan, Walk
from mlx_responses.dialects.tagged import THINK, Tags

FUNCTION, PARAMETER = ("<function=", "</function>"), ("<parameter=", "</parameter>")
WRAPPED = Markup(("<tool_call>", "</tool_call>"), FUNCTION, PARAMETER, trim=True)
SEED = Markup(("<seed:tool_call>", "</seed:tool_call>"), FUNCTION, PARAMETER)


def _read(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
    """A block of markup, or of JSON, which some of these models fall back to."""
    blanks = yield from scan.blanks(lead)
    if (yield from scan.sees("{", "[", start=lead + blanks)):
        return (yield from read_block("</tool_call>")(scan, lead, ear))
    return (yield from WRAPPED.read(scan, lead, ear))


def _read_bare(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
    """A call whose block was not opened: these models forget it."""
    return (yield from WRAPPED.read(scan, lead - len(FUNCTION[0]), ear))


def _brackets(block: tuple[str, str], trim: str) -> Brackets:
    return Brackets(
        marker=block[0],
        head=f"\n{FUNCTION[0]}",
        middle=">\n",
        foot=f"{FUNCTION[1]}\n{block[1]}",
        separator="\n",
        parameters=Parameters(f"{PARAMETER[0]}", f">{trim}", f"{trim}{PARAMETER[1]}\n"),
    )


BARE = Brackets(
    marker=FUNCTION[0],
    head="",
    middle=">\n",
    foot=FUNCTION[1],
    separator="\n",
    parameters=Parameters(PARAMETER[0], ">\n", f"\n{PARAMETER[1]}\n"),
)
"""A call whose block was not opened."""

QWEN3_CODER = Dialect(
    name="qwen3_coder",
    reader=Tags({"<tool_call>": _read, FUNCTION[0]: _read_bare}).reader,
    recognises=lambda _controls, template, _model_type: (
        FUNCTION[0] in template and "<tool_call>" in template
    ),
    forms=(_brackets(WRAPPED.block, "\n"), BARE),
    thought=THINK,
)

SEED_OSS = Dialect(
    name="seed_oss",
    reader=Tags(SEED.readers, thought=("<seed:think>", "</seed:think>")).reader,
    recognises=lambda controls, template, model_type: (
        model_type == "seed_oss" or SEED.block[0] in controls or SEED.block[0] in template
    ),
    forms=(_brackets(SEED.block, ""),),
    thought=("<seed:think>", "</seed:think>"),
)
