"""The models.toml that the settings choose. Reads files, loads no model."""

from mlx_responses.catalog import PACKAGED_CATALOG, Catalog, read_catalog
from mlx_responses.errors import ModelNotFound, RequestError

from .settings import CONFIG_DIR, Settings, SettingsError


def open_catalog(settings: Settings) -> Catalog:
    """The first of `--models`, the user's models.toml, the packaged one; has `settings.model`.

    Raises `SettingsError`: a wrong name is said before the socket and the engine exist.
    """
    own = CONFIG_DIR / "models.toml"
    path = settings.models or (own if own.is_file() else PACKAGED_CATALOG)
    try:
        catalog = read_catalog(path)
        catalog.resolve(settings.model)
    except RequestError as error:
        raise SettingsError(
            f"models: {error.message}. Mend that file, or name another with --models."
        ) from error
    except ModelNotFound as error:
        raise SettingsError(
            f"model: {error.message} Choose one with --model, or add it to {path}."
        ) from error
    return catalog
