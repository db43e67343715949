"""A store in a folder of its own, closed after each test."""

import pytest

from mlx_responses.store import Store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "responses.db"


@pytest.fixture
def store(path):
    opened = Store.open(path)
    yield opened
    opened.close()
