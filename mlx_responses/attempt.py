"""The one place for threads that catches whatever comes: a fault becomes a value, the thread lives.

Used for a step of the engine, for loading a model, for one row's guide, for a commit of the store;
what to do next is the caller's.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from mlx_responses.errors import Failure

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Fault:
    """Something raised. `reason` is one line for people; the traceback is in the log."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        told = str(error)
        self.reason = told if isinstance(error, Failure) else f"{type(error).__name__}: {told}"


def attempt(
    work: Callable[[], Result], doing: str, *, level: int = logging.ERROR
) -> Result | Fault:
    """What `work` returns, or the `Fault` that it raised while `doing` something.

    A `Failure` is meant for whoever asked and is not logged; anything else is, at `level`.
    """
    try:
        return work()
    except Exception as error:
        if not isinstance(error, Failure):
            log.log(level, "failed while %s", doing, exc_info=True)
        return Fault(error)
