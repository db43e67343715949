"""Calls written as markup: a tag that names the tool, in it a tag for each argument.

Knows the shape; the tags of each family stand in its own file. A call is one as soon as its tag is
whole. What is not markup inside a call ends it and is text.
"""

import re
from collections.abc import Callable

import msgspec

from mlx_responses.dialects.arguments import Arguments
from mlx_responses.dialects.dialect import Ear
from mlx_responses.dialects.scan import Scan, Walk
from mlx_responses.dialects.values import STRING, Kinds

MAX_NAME = 256
"""Characters of a tag: twice the longest name that a tool may have."""

_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


class Markup(msgspec.Struct, frozen=True):
    """The tags; opening ones up to the name, which stands in quotes (`name="f"`) or bare (`=f`).

    block  around the calls of a turn, "" where there is nothing around them
    trim   line breaks at the borders of a value are layout
    cdata  a value may stand in a CDATA section
    close  what ends an opening tag
    """

    block: tuple[str, str]
    call: tuple[str, str]
    parameter: tuple[str, str]
    trim: bool = False
    cdata: bool = False
    close: str = ">"

    def tag_end(self, scan: Scan, start: int) -> Walk[int]:
        """Where an opening tag ends whose name begins at `start`; -1: it is none."""
        stops = "\n" if self.close.startswith("<") else "\n<"
        return (yield from scan.span(start, self.close, stops, MAX_NAME))

    def read(self, scan: Scan, lead: int, ear: Ear) -> Walk[bool]:
        """The calls behind the block's marker, or behind the first call's where there is none."""
        return (yield from _Block(self, scan, ear).read(lead))

    @property
    def readers(self) -> dict[str, Callable[[Scan, int, Ear], Walk[bool]]]:
        """What reads behind the marker that begins it all."""
        if self.block[0]:
            return {self.block[0]: self.read}
        tag = self.call[0]
        return {tag: lambda scan, lead, ear: self.read(scan, lead - len(tag), ear)}


class _Block:
    """A block of calls that is being read."""

    def __init__(self, markup: Markup, scan: Scan, ear: Ear) -> None:
        self._markup = markup
        self._scan = scan
        self._ear = ear

    def read(self, lead: int) -> Walk[bool]:
        scan, markup = self._scan, self._markup
        found = False
        while True:
            blanks = yield from scan.blanks(lead)
            opening = yield from scan.sees(markup.call[0], start=lead + blanks)
            if not opening:
                break
            start = lead + blanks + len(opening)
            end = yield from markup.tag_end(scan, start)
            name = "" if end < 0 else named(scan.text[start:end])[0]
            if not name:
                break
            scan.take(end + len(markup.close))
            found, lead = True, 0
            if not (yield from self._call(Arguments(scan, name, self._ear.schema(name)))):
                return True
        if found and markup.block[1]:
            blanks = yield from scan.blanks()
            if (yield from scan.sees(markup.block[1], start=blanks)):
                scan.take(blanks + len(markup.block[1]))
        return found

    def _call(self, arguments: Arguments) -> Walk[bool]:
        """The parameters and the end of a call; False if no other call can follow."""
        scan, markup = self._scan, self._markup
        opening, closing = markup.parameter
        ends = tuple(filter(None, (markup.call[1], markup.block[1])))
        while True:
            blanks = yield from scan.blanks()
            mark = yield from scan.sees(opening, *ends, start=blanks)
            if mark == opening:
                start = blanks + len(mark)
                end = yield from markup.tag_end(scan, start)
                name, attributes = ("", "") if end < 0 else named(scan.text[start:end])
                if name:
                    scan.take(end + len(markup.close))
                    arguments.key(name)
                    kinds = told_kind(attributes, arguments.kinds)
                    if not (yield from self._value(arguments, kinds, closing)):
                        return False
                    continue
            if scan.cut_short(blanks, opening, *ends) or (scan.final and mark == opening):
                scan.take(len(scan.text))
                return False
            arguments.end()
            if mark == markup.call[1]:
                scan.take(blanks + len(mark))
            return mark in ends

    def _value(self, arguments: Arguments, kinds: Kinds, closing: str) -> Walk[bool]:
        """One value and its closing tag."""
        scan, markup = self._scan, self._markup
        ends: tuple[str, ...] = (closing,)
        if markup.cdata:
            blanks = yield from scan.blanks()
            if (yield from scan.sees("<![CDATA[", start=blanks)):
                scan.take(blanks + len("<![CDATA["))
                ends = (f"]]>{closing}",)
        if not (yield from arguments.read_value(kinds, ends, trim=markup.trim)):
            return False
        blanks = yield from scan.blanks()
        scan.take(blanks + len((yield from scan.sees(*ends, start=blanks))))
        return True


def named(tag: str) -> tuple[str, str]:
    """The name in what follows a tag's beginning, and the attributes behind it."""
    tag = tag.strip()
    if tag[:1] in ('"', "'"):
        name, quote, rest = tag[1:].partition(tag[0])
        return (name.strip(), rest) if quote else ("", "")
    name, _, rest = tag.partition(" ")
    return name, rest


def told_kind(attributes: str, kinds: Kinds) -> Kinds:
    """What the tag itself says of the value's type, before the schema does."""
    for key, double, single in _ATTRIBUTE.findall(attributes):
        if (key, double + single) in (("string", "true"), ("type", "string")):
            return STRING
        if key in ("string", "type") and (kinds is None or kinds > STRING):
            return None
    return kinds
