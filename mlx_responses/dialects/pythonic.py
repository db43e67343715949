"""Calls written as Python, as LFM2 does: `[f(a="x"), g()]` between two marks.

A call is one when `name(` and a keyword or a bracket follow: positional arguments have no names.
"""

from mlx_responses.dialects.arguments import Arguments
from mlx_responses.dialects.dialect import Brackets, Dialect, Ear, Parameters
from mlx_responses.dialects.jsoncall import close, read_block
from mlx_responses.dialects.literals import Literal
from mlx_responses.dialects.scan import Scan, Walk
from mlx_responses.dialects.tagged import Tags

OPENING, CLOSING = "<|tool_call_start|>", "<|tool_call_end|>"
MAX_NAME = 256
"""Characters; longer ones are no names."""


def read_calls(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
    """A list of calls behind `lead` characters; nothing is taken if it is none."""
    start = lead + (yield from scan.blanks(lead))
    listed = yield from scan.sees("[", start=start)
    start += len(listed)
    count = 0
    while True:
        name, begin = yield from head(scan, start)
        if not name:
            return count > 0
        scan.take(begin)
        count += 1
        if not (yield from _arguments(Arguments(scan, name, ear.schema(name)))):
            return True
        blanks = yield from scan.blanks()
        mark = (yield from scan.sees(",", "]", start=blanks)) if listed else ""
        if mark != ",":
            scan.take(blanks + 1 if mark else 0)
            return True
        start = blanks + 1


def head(scan: Scan, start: int) -> Walk[tuple[str, int]]:
    """The name of a call, and where its arguments begin; "" if there is none."""
    start += yield from scan.blanks(start)
    end = yield from scan.word(start, _in_name, MAX_NAME)
    if end == start or not (yield from scan.sees("(", start=end)):
        return "", 0
    begin = end + 1
    begin += yield from scan.blanks(begin)
    if not (yield from scan.sees(")", start=begin)):
        key = yield from scan.word(begin, _in_name, MAX_NAME)
        behind = key + (yield from scan.blanks(key))
        if key == begin or not (yield from scan.sees("=", start=behind)):
            return "", 0
    return scan.text[start:end], begin


def _in_name(char: str) -> bool:
    return char.isalnum() or char in "_.-"


def _arguments(arguments: Arguments) -> Walk[bool]:
    """The arguments and the bracket behind them; False if they break off."""
    scan = arguments.scan
    while not (yield from scan.sees(")")):
        key = yield from scan.word(0, _in_name, MAX_NAME)
        behind = key + (yield from scan.blanks(key))
        if not key or not (yield from scan.sees("=", start=behind)):
            return _broken(arguments, key or 0)
        arguments.key(scan.text[:key])
        scan.take(behind + 1)
        if not (yield from Literal(arguments, Literal.PLAIN).read()):
            return _broken(arguments, 0)
        scan.take((yield from scan.blanks()))
        if (yield from scan.sees(",")):
            scan.take(1)
            scan.take((yield from scan.blanks()))
        elif not (yield from scan.sees(")")):
            return _broken(arguments, 0)
    scan.take(1)
    arguments.end()
    return True


def _broken(arguments: Arguments, key: int) -> bool:
    """The text has ended in the middle, or what follows is no argument and so is text."""
    if arguments.scan.final and len(arguments.scan.text) == key:
        arguments.scan.take(key)
    else:
        arguments.end()
    return False


def _read_marked(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
    """What stands between the marks: Python, or JSON, which some of these models write."""
    start = lead + (yield from scan.blanks(lead))
    listed = len((yield from scan.sees("[", start=start)))
    inside = start + listed
    inside += yield from scan.blanks(inside)
    if (yield from scan.sees("{", start=inside)):
        return (yield from read_block(CLOSING)(scan, lead, ear))
    found = yield from read_calls(scan, lead, ear)
    if found:
        yield from close(scan, CLOSING)
    return found


KEYWORDS = Parameters("", "=", "", ", ", raw=False)
"""Keyword arguments; JSON's strings, numbers, lists and objects are read as Python's are."""

LFM2 = Dialect(
    name="lfm2",
    reader=Tags({OPENING: _read_marked}).reader,
    recognises=lambda controls, template, _model_type: (
        OPENING in controls or OPENING in template or "<|tool_list_start|>" in template
    ),
    forms=(Brackets(OPENING, "[", "(", f")]{CLOSING}", "", KEYWORDS),),
    thought=("<think>", "</think>"),
)
