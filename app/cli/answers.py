"""How verbs show what they found: a table for people, tabs for pipes, JSON for scripts.

Knows no verb.
"""

from collections.abc import Sequence

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .terminal import Terminal, visible

UNITS = ("B", "kB", "MB", "GB", "TB")


def put_table(terminal: Terminal, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A drawn table on a terminal; elsewhere a line a row, fields between tabs, no head."""
    if not terminal.rich:
        for row in rows:
            terminal.put("\t".join(" ".join(visible(cell).split()) for cell in row))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # a path that is cut short is of no use
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console().print(table)


def put_json(terminal: Terminal, value: object) -> None:
    """One JSON document, indented."""
    terminal.put(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def size(count: float) -> str:
    """Bytes as people say them: 1000 to a kilobyte, like disks and models are sold."""
    for unit in UNITS:
        if count < 999.5 or unit == UNITS[-1]:
            return f"{count:.0f} {unit}" if unit in UNITS[:2] else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError  # the last unit takes everything
