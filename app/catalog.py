"""The models.toml that the settings choose. Reads files, loads no model."""

from pathlib import Path

from mlx_responses.catalog import PACKAGED_CATALOG, Catalog, read_catalog
from mlx_responses.errors import ModelNotFound, RequestError

from .settings import CONFIG_DIR, Settings, SettingsError

OWN_CATALOG = CONFIG_DIR / "models.toml"
"""The user's entries, in addition to the packaged ones."""


def read_models(path: Path | None) -> Catalog:
    """The file that was named, or else the packaged one with the user's own over it.

    Raises `SettingsError`.
    """
    try:
        if path is not None:
            return read_catalog(path)
        packaged = read_catalog(PACKAGED_CATALOG)
        return read_catalog(OWN_CATALOG, packaged) if OWN_CATALOG.is_file() else packaged
    except RequestError as error:
        raise SettingsError(
            f"models: {error.message}. Mend that file, or name another with --models."
        ) from error


def open_catalog(settings: Settings) -> Catalog:
    """What `read_models` finds; it has `settings.model`.

    Raises `SettingsError`: a wrong name is said before the socket and the engine exist.
    """
    path, name = settings.models or OWN_CATALOG, settings.model
    catalog = read_models(settings.models)
    try:
        catalog.resolve(name)
    except ModelNotFound as error:
        other = f"add it to {path}"
        if name.count("/") == 1:
            other = f"fetch it: mlx-responses pull {name}"
        raise SettingsError(
            f"model: {error.message} Choose one with --model, or {other}."
        ) from error
    return catalog
