"""Granite 3's and Phi-4-mini's writing: `<|tool_call|>` and a JSON list of calls. No thoughts."""

from mlx_responses.dialects.dialect import Dialect, json_brackets
from mlx_responses.dialects.jsoncall import read_block
from mlx_responses.dialects.tagged import Tags

CALL, CALL_END = "<|tool_call|>", "<|/tool_call|>"

GRANITE = Dialect(
    name="granite",
    reader=Tags({CALL: read_block(CALL_END)}, thought=None).reader,
    recognises=lambda controls, template, _model_type: CALL in controls or CALL in template,
    forms=(json_brackets(CALL, "[", "]"),),
)
