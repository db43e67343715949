"""Write the generated tables of README.md and docs/, between `<!-- table: NAME -->` and an end.
python -m tools.docs
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import get_args

from mlx_responses import errors
from mlx_responses.app.__main__ import VERBS
from mlx_responses.app.settings import setting_rows
from mlx_responses.wire.events import Event
from mlx_responses.wire.parameters import Parameter, chat_parameter_table, parameter_table

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def settings() -> str:
    """Flags, environment variables, defaults."""
    rows = (
        (f"`{row.flag}`", f"`{row.variable}`", row.default, row.description)
        for row in setting_rows()
    )
    return table(["flag", "environment variable", "default", "meaning"], rows)


def verbs() -> str:
    """What the command line can do."""
    return table(["verb", "what it does"], ((f"`{verb}`", told) for verb, told in VERBS.items()))


def parameters(listed: Callable[[], list[Parameter]] = parameter_table) -> str:
    """Every request parameter and what becomes of it."""
    words = {"socket": "honoured on a WebSocket, refused over HTTP"}
    rows = (
        (f"`{row.name}`", row.type, words.get(row.treatment, row.treatment), row.note)
        for row in listed()
    )
    return table(["parameter", "type", "treatment", "note"], rows)


def events() -> str:
    """Every event of a stream."""
    rows = (
        (
            f"`{kind.__struct_config__.tag}`",
            ", ".join(f"`{name}`" for name in kind.__struct_encode_fields__),
            (kind.__doc__ or "").split("\n")[0],
        )
        for kind in get_args(Event)
    )
    return table(["event", "fields", "meaning"], rows)


def failures() -> str:
    """The tree of errors as clients meet it."""

    def walk(kind: type[errors.Failure]) -> Iterable[type[errors.Failure]]:
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__:
                yield child
                yield from walk(child)

    rows = (
        (str(kind.status), f"`{kind.default_code}`" if kind.default_code else "by case", doc(kind))
        for kind in walk(errors.Failure)
    )
    return table(["status", "code", "meaning"], rows)


def doc(kind: type) -> str:
    """A class's first sentence."""
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "verbs": verbs,
    "parameters": parameters,
    "chat": partial(parameters, chat_parameter_table),
    "events": events,
    "errors": failures,
}


def written(text: str) -> str:
    """`text` with every table as it should be. Raises `KeyError` for a table nobody makes."""
    return TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(written(page.read_text("utf-8")), "utf-8")
