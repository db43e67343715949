"""GLM's writing from 4.5 on, Laguna's, and LongCat's: a block that begins with the tool's name,
then pairs of `<arg_key>` and `<arg_value>`.
"""

import msgspec

from mlx_responses.dialects.arguments import Arguments
from mlx_responses.dialects.dialect import Brackets, Dialect, Ear, Parameters
from mlx_responses.dialects.jsoncall import read_block
from mlx_responses.dialects.markup import MAX_NAME
from mlx_responses.dialects.scan import BLANKS, Scan, Walk
from mlx_responses.dialects.tagged import THINK, Tags


class Pairs(msgspec.Struct, frozen=True):
    """The tags, all with the same prefix."""

    prefix: str = ""

    def tag(self, name: str) -> tuple[str, str]:
        """A tag's opening and closing."""
        return f"<{self.prefix}{name}>", f"</{self.prefix}{name}>"

    def read(self, scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
        """One call; it is one when a key or the block's end follows the name."""
        (key, _), (_, closing) = self.tag("arg_key"), self.tag("tool_call")
        start = lead + (yield from scan.blanks(lead))
        if (yield from scan.sees("{", "[", start=start)):
            return (yield from read_block(closing)(scan, lead, ear))
        end = yield from scan.word(start, lambda c: c not in BLANKS and c != "<", MAX_NAME)
        behind = end + (yield from scan.blanks(end))
        if start == end or not (yield from scan.sees(key, closing, start=behind)):
            return False
        name = scan.text[start:end]
        scan.take(behind)
        yield from self._call(Arguments(scan, name, ear.schema(name)))
        return True

    def _call(self, arguments: Arguments) -> Walk[None]:
        """The pairs and the end of a call."""
        scan = arguments.scan
        (key, _), (_, unvalue) = self.tag("arg_key"), self.tag("arg_value")
        closing = self.tag("tool_call")[1]
        while True:
            blanks = yield from scan.blanks()
            mark = yield from scan.sees(key, closing, start=blanks)
            if mark == key and (yield from self._key(arguments, blanks + len(key))):
                kinds = arguments.kinds
                if not (yield from arguments.read_value(kinds, (unvalue,), trim=False)):
                    return
                scan.take(len(unvalue))
                continue
            if scan.cut_short(blanks, key, closing) or (scan.final and mark == key):
                scan.take(len(scan.text))
                return
            arguments.end()
            if mark == closing:
                scan.take(blanks + len(closing))
            return

    def _key(self, arguments: Arguments, start: int) -> Walk[bool]:
        """A name up to the beginning of its value, taken; or nothing taken."""
        scan, unkey, value = arguments.scan, self.tag("arg_key")[1], self.tag("arg_value")[0]
        end = yield from scan.span(start, unkey, "<", MAX_NAME)
        if end < 0:
            return False
        behind = end + len(unkey)
        behind += yield from scan.blanks(behind)
        if not (yield from scan.sees(value, start=behind)):
            return False
        arguments.key(scan.text[start:end].strip())
        scan.take(behind + len(value))
        return True

    @property
    def brackets(self) -> Brackets:
        """How a call is written."""
        (key, unkey), (value, unvalue) = self.tag("arg_key"), self.tag("arg_value")
        opening, closing = self.tag("tool_call")
        pair = Parameters(key, f"{unkey}\n{value}", f"{unvalue}\n")
        return Brackets(opening, "", "\n", closing, "\n", pair)


LONGCAT_THINK = ("<longcat_think>", "</longcat_think>")
PLAIN_PAIRS, LONGCAT_PAIRS = Pairs(), Pairs("longcat_")

GLM = Dialect(
    name="glm",
    reader=Tags({"<tool_call>": PLAIN_PAIRS.read}).reader,
    recognises=lambda controls, template, _model_type: (
        "<arg_key>" in template or "<arg_key>" in controls
    ),
    forms=(PLAIN_PAIRS.brackets,),
    thought=THINK,
)

LONGCAT = Dialect(
    name="longcat",
    reader=Tags({"<longcat_tool_call>": LONGCAT_PAIRS.read}, thought=LONGCAT_THINK).reader,
    recognises=lambda controls, template, _model_type: (
        "<longcat_tool_call>" in template or "<longcat_tool_call>" in controls
    ),
    forms=(LONGCAT_PAIRS.brackets,),
    thought=LONGCAT_THINK,
)
