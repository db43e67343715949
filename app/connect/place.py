"""Where the server is and what it serves, as agents need to be told."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from mlx_responses.catalog import ModelSpec

PROVIDER = "mlx-responses"
"""Our name in agents' files. Not "openai": Codex takes that for a hosted service."""
ANY_KEY = "local"
"""For clients that insist on a key where this server wants none."""
OUTPUT_TOKENS = 8192
"""Room for an answer that agents plan with; the server itself sets no such bound."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent has to know.

    url    of the API, with `/v1`
    model  the name to ask for
    spec   what models.toml says of it
    key    to send, if this server wants one
    home   the user's home folder
    known  environment variables by which agents' folders may have been moved
    """

    url: str
    model: str
    spec: ModelSpec
    key: str | None = None
    home: Path
    known: Mapping[str, str] = {}

    @property
    def context_window(self) -> int | None:
        """In tokens, as far as models.toml says."""
        return self.spec.context_window

    def folder(self, variable: str, *parts: str) -> Path:
        """An agent's folder: where `variable` says, or else under the home folder."""
        moved = self.known.get(variable)
        return Path(moved) if moved else self.home.joinpath(*parts)
