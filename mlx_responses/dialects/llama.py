"""Llama 3's writing: a bare JSON object with `name` and `parameters`, several after semicolons,
with or without `<|python_tag|>` before; and Llama 4's Python lists, with or without its marks.

What has no mark is a call only where an answer begins, and only with the key `parameters`, or,
where the tools are known, with the name of one of them.
"""

from mlx_responses.dialects.dialect import Brackets, Dialect, Ear, json_brackets
from mlx_responses.dialects.jsoncall import JsonCall, close, read_call
from mlx_responses.dialects.pythonic import KEYWORDS, head, read_calls
from mlx_responses.dialects.scan import Scan, Walk
from mlx_responses.dialects.tagged import Tags

TAG = "<|python_tag|>"
PYTHON = ("<|python_start|>", "<|python_end|>")
KEYS = ("parameters", "arguments")
MAX_HEAD = 1024
"""Characters of a bare object up to its arguments: its name and what little else there may be."""


def _read_tagged(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
    """Calls behind the tag."""
    if not (yield from read_call(scan, JsonCall(keys=KEYS), lead)):
        return False
    while True:
        blanks = yield from scan.blanks()
        marks = (TAG,) if ear.bounded else (";", TAG)
        mark = yield from scan.sees(*marks, start=blanks)
        lead = blanks + len(mark)
        if not mark or not (yield from read_call(scan, JsonCall(keys=KEYS), lead)):
            return True


def _read_bare(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
    """Calls without a tag, JSON or Python."""
    if not ear.bounded and (yield from scan.sees("[", start=lead)):
        name, _ = yield from head(scan, lead + 1)
        known = ear.tools is not None and name in ear.tools
        return known and (yield from read_calls(scan, lead, ear))
    if not (yield from _is_call(scan, lead, ear)):
        return False
    return (yield from _read_tagged(scan, lead, ear))


def _is_call(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
    """Does a JSON object that is a call begin here? Takes nothing."""
    call = JsonCall(keys=("parameters",) if ear.tools is None else KEYS)
    read = lead
    while call.state == "open" and read - lead <= MAX_HEAD:
        if not (yield from scan.wait(read)):
            break
        read += call.feed(scan.text[read])
        if call.name is not None and ear.tools is not None and call.name not in ear.tools:
            return False
        if call.name is not None and call.argues:
            return True
    return False


def _read_python(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
    found = yield from read_calls(scan, lead, ear)
    if found:
        yield from close(scan, PYTHON[1])
    return found


LLAMA = Dialect(
    name="llama",
    reader=Tags({TAG: _read_tagged, PYTHON[0]: _read_python}, thought=None, bare=_read_bare).reader,
    recognises=lambda controls, template, _model_type: (
        TAG in controls or TAG in template or PYTHON[0] in controls
    ),
    forms=(
        json_brackets(TAG, "", "", "parameters"),
        Brackets("{", '"name": "', '", "parameters": ', "}", at_start=True),
        Brackets(PYTHON[0], "[", "(", f")]{PYTHON[1]}", "", KEYWORDS),
    ),
)
