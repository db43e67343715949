"""The server that many tests share: the whole thing, with a real engine and the pocket model."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Before the application is imported, which reads them: nobody's own settings and models.toml.
os.environ["XDG_CONFIG_HOME"] = os.devnull
for name in [name for name in os.environ if name.startswith("MLX_RESPONSES_")]:
    del os.environ[name]

from mlx_responses.catalog import PACKAGED_CATALOG  # noqa: E402
from tests.serving import serving_model  # noqa: E402

# A slow moment of a shared machine is no failure; pytest's timeout ends what hangs.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def pocket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a server with the model `pocket`."""
    home = tmp_path_factory.mktemp("data")
    with serving_model(models=PACKAGED_CATALOG, data_dir=home) as url:
        yield url


def pytest_collection_finish() -> None:
    """What the imports made stays: every engine that ends collects garbage, and need not see it."""
    gc.collect()
    gc.freeze()
