"""The golden traces, to the byte, as JSON and as a stream: one path, two ways to read it."""

import httpx
import msgspec
import pytest

from tests.app.scripted import ScriptedLive
from tests.serving import serving
from tools import traces


@pytest.fixture(scope="module")
def ask():
    """Post a trace's request to a model that says what the trace says."""
    live = ScriptedLive()
    with serving(live) as url, httpx.Client(base_url=url) as client:

        def post(trace, **change):
            live.script = trace.parts
            body = {**msgspec.json.decode(trace.body), **change}
            return client.post("/v1/responses", json=body).content

        yield post


@pytest.mark.parametrize("name", traces.names())
def test_the_stream_is_the_trace(ask, name):
    trace = traces.read(name)
    assert ask(trace, stream=True) == trace.sse


@pytest.mark.parametrize("name", [name for name in traces.names() if name != "background"])
def test_the_response_is_the_last_snapshot(ask, name):
    trace = traces.read(name)
    assert ask(trace, stream=False) == trace.json
