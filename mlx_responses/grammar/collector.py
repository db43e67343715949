"""Python's collector of cycles, kept out of compiling: a grammar's hundreds of thousands of values
are all alive until it is made, and looking through them again and again took half of the time.
"""

import gc
from threading import Lock
from types import TracebackType


class _Pause:
    """No collection begins before all that entered have left, on whichever threads. Does nothing
    where collection was off before.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._was_on = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._was_on:
                gc.enable()


collecting_later = _Pause()
