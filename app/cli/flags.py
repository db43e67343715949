"""How flags are read: numbers whose refusals say what is wanted, a page of help, and where help is.

Knows no verb.
"""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

FLAG_WIDTH = 30
"""Columns of --help."""
EXIT_WRONG_FLAG = 2


class Parser(argparse.ArgumentParser):
    """Of one verb. A wrong flag is told with where the right ones stand."""

    def __init__(self, **options: object) -> None:
        options = {"formatter_class": _Help, "allow_abbrev": False, **options}
        super().__init__(**options)  # type: ignore[arg-type]  # as argparse has them

    def error(self, message: str) -> NoReturn:
        """Say it, and leave."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_WRONG_FLAG, f"{self.prog}: {message}. {self.prog} --help tells more.\n")


class _Help(argparse.HelpFormatter):
    """With room for the longest verbs and flags beside what they do."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=FLAG_WIDTH)


def at_least(least: int) -> Callable[[str], int]:
    """Reads a whole number that is not smaller."""

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and int(text) >= least:
            return int(text)
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least {least}, not {text!r}"
        )

    return read


def number(text: str) -> float:
    """Reads a number."""
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from error
