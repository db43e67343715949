"""DeepSeek's writing: sections of calls with JSON until V3.1, DSML markup from V3.2 on.

Until V3 and in R1 a call's mark is followed by the word `function`, and its JSON stands in a fence
behind the name's line.
"""

import re

from mlx_responses.dialects.dialect import Brackets, Dialect, Parameters
from mlx_responses.dialects.markup import Markup
from mlx_responses.dialects.scan import Scan, Walk
from mlx_responses.dialects.sections import MAX_HEAD, Section
from mlx_responses.dialects.tagged import THINK, Tags

BEGIN, END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
CALL_BEGIN, CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"
SEP, FENCE = "<｜tool▁sep｜>", "```json"
DSML = "｜DSML｜"


class _Section(Section, frozen=True):
    """A section of either kind."""

    def head(self, scan: Scan, start: int) -> Walk[tuple[str, int]]:
        """See `Section`."""
        kind, begin = yield from super().head(scan, start)
        if kind != "function":
            return kind, begin
        end = yield from scan.span(begin, FENCE, "<{", MAX_HEAD)
        if end < 0:
            return kind, begin  # a tool of that name
        match = re.fullmatch(self.name, scan.text[begin:end].strip())
        return (match[1], end + len(FENCE)) if match else ("", 0)


SECTION = _Section((BEGIN, END), (CALL_BEGIN, CALL_END), SEP, r"([^\s<>]+)")

DEEPSEEK = Dialect(
    name="deepseek",
    reader=Tags({BEGIN: SECTION.read}).reader,
    recognises=lambda controls, template, _model_type: BEGIN in controls or BEGIN in template,
    forms=(Brackets(BEGIN, CALL_BEGIN, SEP, CALL_END + END),),
    thought=THINK,
)


def _dsml(block: str) -> Markup:
    return Markup(
        block=(f"<{DSML}{block}>", f"</{DSML}{block}>"),
        call=(f"<{DSML}invoke name=", f"</{DSML}invoke>"),
        parameter=(f"<{DSML}parameter name=", f"</{DSML}parameter>"),
    )


def _brackets(markup: Markup) -> Brackets:
    return Brackets(
        marker=markup.block[0],
        head=f'\n{markup.call[0]}"',
        middle='">\n',
        foot=f"{markup.call[1]}\n{markup.block[1]}",
        parameters=Parameters(
            before=f'{markup.parameter[0]}"',
            between='" string="{}">',
            after=f"{markup.parameter[1]}\n",
        ),
    )


CALLS, OTHER_CALLS = _dsml("function_calls"), _dsml("tool_calls")

DEEPSEEK_DSML = Dialect(
    name="deepseek_dsml",
    reader=Tags({**CALLS.readers, **OTHER_CALLS.readers}).reader,
    recognises=lambda controls, template, model_type: (
        model_type == "deepseek_v32" or DSML in template or DSML in controls
    ),
    forms=(_brackets(CALLS), _brackets(OTHER_CALLS)),
    thought=THINK,
)
