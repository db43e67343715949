"""What is in RAM by its last use, in two classes: what is favoured goes last. Knows sizes, not what
has them.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class Recency(Generic[Entry]):
    """Entries with their bytes. Used ones become the youngest of their class; none leaves a class
    for the worse but by `demote`.
    """

    def __init__(self) -> None:
        self.nbytes = 0
        self._favoured_bytes = 0
        self._plain: OrderedDict[Entry, int] = OrderedDict()  # oldest first
        self._favoured: OrderedDict[Entry, int] = OrderedDict()

    def add(self, entry: Entry, nbytes: int, *, favoured: bool = False) -> None:
        """A new entry, the youngest."""
        self._plain[entry] = nbytes
        self.nbytes += nbytes
        self.touch(entry, favoured=favoured)

    def touch(self, entry: Entry, *, favoured: bool = False) -> None:
        """An entry was used, by somebody who is favoured or not."""
        if entry in self._favoured:
            self._favoured.move_to_end(entry)
        elif favoured:
            nbytes = self._favoured[entry] = self._plain.pop(entry)
            self._favoured_bytes += nbytes
        else:
            self._plain.move_to_end(entry)

    def favours(self, entry: Entry) -> bool:
        """Whether an entry is favoured."""
        return entry in self._favoured

    def remove(self, entry: Entry) -> None:
        """An entry is gone; harmless if it was none."""
        favoured = self._favoured.pop(entry, 0)
        self._favoured_bytes -= favoured
        self.nbytes -= favoured + self._plain.pop(entry, 0)

    def demote(self, most_bytes: float) -> None:
        """Let the oldest favoured entries become the youngest of the others, until no more than
        `most_bytes` are favoured."""
        while self._favoured_bytes > most_bytes:
            entry, nbytes = self._favoured.popitem(last=False)
            self._favoured_bytes -= nbytes
            self._plain[entry] = nbytes

    def oldest(self) -> Entry | None:
        """What should go next."""
        return next(iter(self._plain or self._favoured), None)
