"""Qwen's and Hermes' writing: `<think>` blocks, and `<tool_call>` blocks that hold one JSON object.

Also what `prompt/` teaches models whose template cannot show tools. Knows nothing of tokens: a
marker is its text.
"""

from mlx_responses.dialects.dialect import Dialect, json_brackets
from mlx_responses.dialects.jsoncall import read_block
from mlx_responses.dialects.tagged import THINK, Tags

CALL, CALL_END = "<tool_call>", "</tool_call>"


def recognises(controls: frozenset[str], template: str, _model_type: str) -> bool:
    """Qwen's tags among the control tokens or in the template."""
    return CALL in controls or THINK[0] in controls or CALL in template


QWEN = Dialect(
    name="qwen",
    reader=Tags({CALL: read_block(CALL_END)}).reader,
    recognises=recognises,
    forms=(json_brackets(CALL, "\n", f"\n{CALL_END}"),),
    thought=THINK,
)
