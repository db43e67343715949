"""Request fields that have no effect here: named in a header and in the log, or refused."""

import logging
import re
from collections.abc import Sequence
from urllib.parse import quote

from mlx_responses.errors import RequestError

log = logging.getLogger(__name__)

IGNORED_HEADER = "x-ignored-fields"
NAMES_SENT = 32
"""Names in the header; proxies refuse headers of many kilobytes."""
NAME_LENGTH = 64
NAMES_LOGGED = 256
"""Distinct names in the log; they are the clients' text, so there must be an end."""


class Ignored:
    """Says which fields had no effect: in a header each time, in the log once a name."""

    def __init__(self, *, refuse: bool) -> None:
        self._refuse = refuse
        self._logged: set[str] = set()  # bounded by NAMES_LOGGED

    def __call__(self, ignored: Sequence[str]) -> dict[str, str]:
        """The header for these paths. Raises `RequestError` where unknown fields are refused."""
        if self._refuse:
            _refuse_unknown(ignored)
        if not ignored:
            return {}
        # A field's name is the client's text: escaped, it cannot break out of the header.
        names = [quote(name[:NAME_LENGTH], safe="[].$") for name in ignored[:NAMES_SENT]]
        self._log(names)
        if len(ignored) > NAMES_SENT:
            names.append(f"and {len(ignored) - NAMES_SENT} more")
        return {IGNORED_HEADER: ", ".join(names)}

    def _log(self, names: list[str]) -> None:
        new = {re.sub(r"\d+", "n", name) for name in names} - self._logged
        if new and len(self._logged) < NAMES_LOGGED:
            self._logged |= new
            log.info("request fields without effect here: %s", ", ".join(sorted(new)))


def _refuse_unknown(ignored: Sequence[str]) -> None:
    """Refuse the first unknown field; a hosted tool (`tools[3]`) is known, and left out."""
    for name in ignored:
        if not name.endswith("]"):
            raise RequestError(
                f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
            )
