"""Codex CLI: two profiles and a model catalogue, each a file of its own, so that nothing the user
wrote is touched. `codex -p mlx` then uses this server, `codex -p mlx-lean` with a short prompt.
"""

from pathlib import Path
from typing import Any

import msgspec
import tomlkit

from mlx_responses.wire import codec

from ..codex import Entry, entry
from .edit import Edit
from .place import PROVIDER, Place

PROFILE = "mlx"
LEAN = "mlx-lean"
"""For small models: each tool and note that it leaves out is prompt that they need not read."""
CATALOG = "mlx-models.json"


class ModelCatalog(msgspec.Struct, frozen=True):
    """The file that `model_catalog_json` names."""

    models: list[Entry]


def edits(place: Place) -> list[Edit]:
    """The files that Codex needs."""
    folder = place.folder("CODEX_HOME", ".codex")
    catalog = codec.encode(ModelCatalog([entry(place.model, place.spec)]))
    return [
        Edit(folder / CATALOG, msgspec.json.format(catalog).decode() + "\n"),
        Edit(folder / f"{PROFILE}.config.toml", _toml(_profile(place, folder))),
        Edit(folder / f"{LEAN}.config.toml", _toml({**_lean(), **_profile(place, folder)})),
    ]


def next_step(place: Place) -> str:
    """What to do after connecting."""
    told = f"codex -p {PROFILE}        (small models: codex -p {LEAN})"
    return told if place.key is None else f"export {_key_variable()}=...; {told}"


def _profile(place: Place, folder: Path) -> dict[str, Any]:
    provider: dict[str, Any] = {
        "name": PROVIDER,
        "base_url": place.url,
        "wire_api": "responses",
        "supports_websockets": True,
    }
    if place.key is not None:
        provider["env_key"] = _key_variable()
    return {
        "model": place.model,
        "model_provider": PROVIDER,
        "model_catalog_json": str(folder / CATALOG),
        "web_search": "disabled",
        "model_providers": {PROVIDER: provider},
    }


def _lean() -> dict[str, Any]:
    return {
        "include_permissions_instructions": False,
        "include_environment_context": False,
        "features": {"goals": False, "view_image": False},
        "agents": {"enabled": False},
        "skills": {"include_instructions": False},
    }


def _key_variable() -> str:
    return "MLX_RESPONSES_KEY"


def _toml(fields: dict[str, Any]) -> str:
    """Plain values before tables, as TOML wants them."""
    ordered = sorted(fields.items(), key=lambda field: isinstance(field[1], dict))
    return "# Written by `mlx-responses connect codex`.\n" + tomlkit.dumps(dict(ordered))
