"""Tiny models, once a session, and engines that are closed after each test."""

import time

import mlx.core as mx
import pytest
import tiny
from watching import Watched

from mlx_responses.engine.lane import Limits
from mlx_responses.engine.load import assemble


@pytest.fixture(scope="session", autouse=True)
def _streams_end_with_the_session():
    yield
    mx.clear_streams()


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """kind -> the spec of a tiny model of that architecture."""
    specs = {}

    def make(kind="qwen3", name=None, **changes):
        name = name or kind
        if name not in specs:
            specs[name] = tiny.write_model(tmp_path_factory.mktemp(name), kind, **changes)
        return specs[name]

    return make


@pytest.fixture
def start():
    """Engines of this test: `start(loader, limits..., clock=...)` gives one that watches itself."""
    running = []

    def make(loader=assemble, clock=time.monotonic, **limits):
        watched = Watched(Limits(**limits), loader=loader, clock=clock)
        running.append(watched)
        return watched

    yield make
    for watched in running:
        watched.engine.close(30)


@pytest.fixture(params=[False, True], ids=["host", "device"])
def engine(request, start, folder_of):
    """An engine with a tiny qwen3 loaded; tokens chosen by numpy, and by mlx as on a Mac."""
    watched = start(on_device=request.param)
    watched.load(folder_of())
    return watched
