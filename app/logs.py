"""Where the server logs: to standard error, and into a file that `logs` reads and that never grows
beyond a few megabytes; as text, or a JSON object a line. Does not know what is logged.
"""

import contextlib
import logging
import logging.handlers
import sys
from collections.abc import Iterator

import msgspec

from mlx_responses.record import FACTS

from .settings import Settings, SettingsError

MAX_BYTES = 4 * 2**20
"""Of one file: some 40,000 lines, which an editor still opens at once."""
OLD_FILES = 3

SAID = "said"
"""Marks a record, as `extra`, that whoever started the server was told already: for the file."""

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Json(logging.Formatter):
    """A record as one JSON object on one line: time, level, logger, message, then what the line
    says by name (a turn's ids, key, counts and times), then a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        said: dict[str, object] = {
            "time": self.formatTime(record, f"%Y-%m-%dT%H:%M:%S.{int(record.msecs):03}%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FACTS, {}),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(said).decode()


@contextlib.contextmanager
def logged(settings: Settings) -> Iterator[None]:
    """Send what the process logs there. Raises `SettingsError` if the file cannot be written."""
    root, level = logging.getLogger(), settings.log_level.upper()
    handlers: list[logging.Handler] = [_open_file(settings)]
    if settings.log_stderr == "on":
        stream = logging.StreamHandler(sys.stderr)
        stream.addFilter(lambda record: not hasattr(record, SAID))
        handlers.append(stream)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # its greetings are not ours
    before = root.level
    root.setLevel(level)
    for handler in handlers:
        handler.setFormatter(Json() if settings.log_format == "json" else logging.Formatter(FORMAT))
        root.addHandler(handler)
    try:
        yield
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def _open_file(settings: Settings) -> logging.handlers.RotatingFileHandler:
    try:
        settings.log_path.parent.mkdir(parents=True, exist_ok=True)
        return logging.handlers.RotatingFileHandler(
            settings.log_path, maxBytes=MAX_BYTES, backupCount=OLD_FILES, encoding="utf-8"
        )
    except OSError as error:
        raise SettingsError(
            f"log_file: cannot write {settings.log_path}: {error.strerror}. Choose another with "
            "--log-file."
        ) from error
