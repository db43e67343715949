"""A fault planted in the n-th call of any function of ours, on whatever thread; resumed coroutines
and generators count as called, so that every await is a place for one too."""

import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import mlx_responses

ROOT = Path(mlx_responses.__file__).parent


class Planted(Exception):
    """What is raised."""


class Plant:
    """Counts calls by site, like `engine/lane.Lane._enter`; raises in the `nth` of `site`."""

    def __init__(self, site: str | None = None, nth: int = 1) -> None:
        self.calls: Counter[str] = Counter()
        self.armed = False
        self.hit = False
        self.site = site
        self._nth = nth
        self._names: dict[Any, str] = {}

    def __call__(self, frame: FrameType, _: str, __: Any) -> None:
        if not self.armed:
            return
        code = frame.f_code
        name = self._names.get(code)
        if name is None:
            name = self._names[code] = _name(code.co_filename, code.co_qualname)
        if not name:
            return
        self.calls[name] += 1
        if name == self.site and self.calls[name] == self._nth:
            self.hit = True
            raise Planted(f"a planted fault in {name}")


@contextlib.contextmanager
def planted(plant: Plant) -> Iterator[None]:
    """On this thread, and on those that are started meanwhile."""
    before = sys.gettrace()
    threading.settrace(plant)
    sys.settrace(plant)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(before)  # type: ignore[arg-type]  # None takes it back


def _name(file: str, function: str) -> str:
    path = Path(file)
    if not path.is_relative_to(ROOT):
        return ""
    return f"{path.relative_to(ROOT).with_suffix('').as_posix()}.{function}"
