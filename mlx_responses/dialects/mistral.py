"""Mistral's writing: `[TOOL_CALLS]` before a JSON list of calls, or, in newer models, before each
`name[ARGS]{...}`; thoughts between `[THINK]` and `[/THINK]`. Calls have no end mark.
"""

from mlx_responses.dialects.dialect import Brackets, Dialect, Ear, json_brackets
from mlx_responses.dialects.jsoncall import JsonCall, read_block, read_call
from mlx_responses.dialects.markup import MAX_NAME
from mlx_responses.dialects.scan import Scan, Walk
from mlx_responses.dialects.tagged import Tags

CALLS, ARGS, CALL_ID = "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"
THINK = ("[THINK]", "[/THINK]")


def _read(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
    start = lead + (yield from scan.blanks(lead))
    if (yield from scan.sees("[", "{", start=start)):
        return (yield from read_block("")(scan, lead, ear))
    end = yield from scan.word(start, _in_name, MAX_NAME)
    behind = end
    if (yield from scan.sees(CALL_ID, start=end)):
        behind = yield from scan.word(end + len(CALL_ID), _in_name, MAX_NAME)
    behind += yield from scan.blanks(behind)
    mark = yield from scan.sees(ARGS, "{", start=behind)
    if end == start or not mark:
        return False
    begin = behind + len(ARGS) if mark == ARGS else behind
    begin += yield from scan.blanks(begin)
    if not (yield from scan.sees("{", start=begin)):
        return False
    name = scan.text[start:end]
    scan.take(begin)
    yield from read_call(scan, JsonCall(name))
    return True


def _in_name(char: str) -> bool:
    return char.isalnum() or char in "_.-"


MISTRAL = Dialect(
    name="mistral",
    reader=Tags({CALLS: _read}, thought=THINK).reader,
    recognises=lambda controls, template, _model_type: ARGS in controls or ARGS in template,
    forms=(Brackets(CALLS, "", ARGS, ""),),
    thought=THINK,
)

MISTRAL_LIST = Dialect(
    name="mistral_list",
    reader=MISTRAL.reader,
    recognises=lambda controls, template, _model_type: CALLS in controls or CALLS in template,
    forms=(json_brackets(CALLS, " [", "]"),),
)
