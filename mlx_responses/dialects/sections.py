"""Calls in a section, each with marks before its name, before its JSON and behind it: Kimi K2's and
DeepSeek's writing until V3.1.
"""

import re

import msgspec

from mlx_responses.dialects.arguments import read_arguments
from mlx_responses.dialects.dialect import Brackets, Dialect, Ear
from mlx_responses.dialects.jsoncall import close
from mlx_responses.dialects.scan import Scan, Walk
from mlx_responses.dialects.tagged import THINK, Tags

MAX_HEAD = 512
"""Characters between a call's mark and its JSON: the name, an index, a word or two."""


class Section(msgspec.Struct, frozen=True):
    """The marks. `name` finds the tool's name in what stands between `call` and `arguments`; the
    JSON may stand in a code fence.
    """

    section: tuple[str, str]
    call: tuple[str, str]
    arguments: str
    name: str

    def read(self, scan: Scan, lead: int, _ear: Ear) -> Walk[bool]:
        """All calls of the section."""
        found = False
        while True:
            start = lead + (yield from scan.blanks(lead))
            if not (yield from scan.sees(self.call[0], start=start)):
                break
            name, begin = yield from self.head(scan, start + len(self.call[0]))
            if not name:
                break
            scan.take(begin)
            found, lead = True, 0
            if not (yield from read_arguments(scan, name, ("```", self.call[1]))):
                return True
            yield from close(scan, "```")
            yield from close(scan, self.call[1])
        if found:
            yield from close(scan, self.section[1])
        return found

    def head(self, scan: Scan, start: int) -> Walk[tuple[str, int]]:
        """A call's name and where its JSON begins; "" if this is no call."""
        end = yield from scan.span(start, self.arguments, "", MAX_HEAD)
        if end < 0:
            return "", 0
        begin = end + len(self.arguments)
        match = re.fullmatch(self.name, scan.text[start:end].strip())
        return (match[1], begin) if match else ("", 0)


KIMI_SECTION = Section(
    section=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    call=("<|tool_call_begin|>", "<|tool_call_end|>"),
    arguments="<|tool_call_argument_begin|>",
    name=r"(?:functions\.)?([^\s:]+?)(?::\d+)?",
)

KIMI = Dialect(
    name="kimi_k2",
    reader=Tags({KIMI_SECTION.section[0]: KIMI_SECTION.read}).reader,
    recognises=lambda controls, template, _model_type: (
        KIMI_SECTION.section[0] in controls or KIMI_SECTION.section[0] in template
    ),
    forms=(
        Brackets(
            marker=KIMI_SECTION.section[0],
            head=f"{KIMI_SECTION.call[0]}functions.",
            middle=f":0{KIMI_SECTION.arguments}",
            foot=KIMI_SECTION.call[1] + KIMI_SECTION.section[1],
        ),
    ),
    thought=THINK,
)
