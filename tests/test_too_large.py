"""Tools and formats that would take too long to bound: held to less where that is allowed, else
refused by name.
"""

import json
import logging
from typing import Any

import msgspec
import pytest

from mlx_responses.catalog import Catalog
from mlx_responses.errors import RequestError
from mlx_responses.live import Live
from tests.worlds import ask, start, tiny_catalog, with_live

WILD = {"temperature": 1.5, "max_output_tokens": 400}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    spec = next(iter(tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")))
    return Catalog({"tiny": msgspec.structs.replace(spec, context_window=4096)}, {})


def stepping(step: int, **fields: Any) -> dict[str, Any]:
    """A function whose arguments take the longer to bound, the larger a prime."""
    properties = {"n": {"type": "integer", "multipleOf": step}}
    parameters = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"type": "function", "name": f"s{step}", "parameters": parameters, **fields}


def test_tools_that_are_too_large_are_held_less_and_strict_ones_refused(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """One alone, or the largest of many; the small ones beside them are held as always."""
    add = {"a": {"type": "integer", "minimum": 0, "maximum": 9}}
    add = {"type": "object", "properties": add, "required": ["a"], "additionalProperties": False}
    small = {"type": "function", "name": "add", "strict": True, "parameters": add}
    many = [stepping(step) for step in (9_001, 9_007, 9_011, 9_013, 9_029, 9_041, 9_043, 9_049)]
    for tools in ([stepping(999_983), small], [*many, small]):

        async def story(live: Live, tools: list[dict[str, Any]] = tools) -> None:
            named = {"type": "function", "name": "add"}
            for choice in ("required", named):
                made = await ask(live, tools=tools, tool_choice=choice, **WILD)
                assert made["output"][0]["type"] == "function_call"
            [call, *_] = made["output"]
            assert json.loads(call["arguments"])["a"] in range(10)

        caplog.clear()
        with caplog.at_level(logging.INFO):
            with_live(catalog, story)
        loose = [text for text in caplog.messages if "all of it, which is too large" in text]
        assert 1 <= len(loose) < len(tools)

    async def refused(live: Live) -> None:
        with pytest.raises(RequestError, match="until the first token") as refusal:
            await start(live, tools=[stepping(999_983, strict=True)])
        assert refusal.value.param == "tools[0].parameters"
        with pytest.raises(RequestError, match="until the first token") as refusal:
            await start(
                live,
                text={
                    "format": {
                        "type": "json_schema",
                        "name": "n",
                        "schema": {"multipleOf": 999_983},
                    }
                },
            )
        assert refusal.value.param == "text.format.schema"

    with_live(catalog, refused)
