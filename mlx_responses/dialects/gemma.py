"""Gemma's writing: `call:f{a:...}` between two marks, strings between marks of their own.

FunctionGemma's marks and Gemma 4's differ; Gemma 4 also thinks, in a channel of that name. Gemma 3
has no marks for calls: its template shows no tools, so `prompt/` teaches it Qwen's.
"""

from collections.abc import Callable

from mlx_responses.dialects.arguments import Arguments
from mlx_responses.dialects.dialect import Brackets, Dialect, Ear, Parameters
from mlx_responses.dialects.jsoncall import close
from mlx_responses.dialects.literals import Literal
from mlx_responses.dialects.markup import MAX_NAME
from mlx_responses.dialects.scan import BLANKS, Scan, Walk
from mlx_responses.dialects.tagged import Tags

CALL = "call:"
FUNCTION_MARKS = ("<start_function_call>", "<end_function_call>")
GEMMA4_MARKS = ("<|tool_call>", "<tool_call|>")
GEMMA4_THOUGHT = ("<|channel>thought", "<channel|>")


def reader_of(closing: str, quote: str) -> Callable[[Scan, int, Ear], Walk[bool]]:
    """What reads one call and its end mark."""

    def read(scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
        start = lead + (yield from scan.blanks(lead))
        if not (yield from scan.sees(CALL, start=start)):
            return False
        start += len(CALL)
        end = yield from scan.word(start, lambda c: c not in BLANKS + "{<", MAX_NAME)
        if end == start or not (yield from scan.sees("{", start=end)):
            return False
        name = scan.text[start:end]
        scan.take(end)
        arguments = Arguments(scan, name, ear.schema(name))
        literal = Literal(arguments, (quote, *Literal.PLAIN))
        if (yield from literal.read()) or not scan.final:
            scan.end_call()
            yield from close(scan, closing)
        else:
            scan.take(len(scan.text))
        return True

    return read


def _brackets(marks: tuple[str, str], quote: str) -> Brackets:
    pair = Parameters("", ":", "", ",", quote=quote)
    return Brackets(marks[0], CALL, "{", "}" + marks[1], "", pair)


FUNCTION_GEMMA = Dialect(
    name="function_gemma",
    reader=Tags({FUNCTION_MARKS[0]: reader_of(FUNCTION_MARKS[1], "<escape>")}, thought=None).reader,
    recognises=lambda controls, template, _model_type: (
        FUNCTION_MARKS[0] in controls or FUNCTION_MARKS[0] in template
    ),
    forms=(_brackets(FUNCTION_MARKS, "<escape>"),),
)

GEMMA4 = Dialect(
    name="gemma4",
    reader=Tags(
        {GEMMA4_MARKS[0]: reader_of(GEMMA4_MARKS[1], '<|"|>')}, thought=GEMMA4_THOUGHT
    ).reader,
    recognises=lambda controls, template, _model_type: (
        set(GEMMA4_MARKS) <= controls or all(mark in template for mark in GEMMA4_MARKS)
    ),
    forms=(_brackets(GEMMA4_MARKS, '<|"|>'),),
    thought=(GEMMA4_THOUGHT[0] + "\n", GEMMA4_THOUGHT[1]),
)
