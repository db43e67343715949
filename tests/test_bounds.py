"""Whatever a model of random weights says: formats, schemas and tool choices hold."""

import json
import logging
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from mlx_responses.catalog import Catalog
from mlx_responses.errors import RequestError
from mlx_responses.limits import LiveLimits
from mlx_responses.live import Live
from tests.worlds import ask, read, start, tiny_catalog, with_live

WILD = {"temperature": 1.5, "max_output_tokens": 400}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "mood": {"enum": ["good", "bad"]},
    },
    "required": ["name", "age", "mood"],
    "additionalProperties": False,
}
ADD = {
    "type": "function",
    "name": "add",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["a"],
        "additionalProperties": False,
    },
}
NOTE = {"type": "custom", "name": "note", "format": {"type": "grammar", "syntax": "regex",
        "definition": "[a-c]{2,4}"}}  # fmt: skip
LARK = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark",
        "definition": 'start: "*** " WORD LF\nWORD: /[a-z]{1,5}/\n%import common.LF'}}  # fmt: skip


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    spec = next(iter(tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")))
    return Catalog({"tiny": msgspec.structs.replace(spec, context_window=4096)}, {})


def schema_format(schema: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "name": "answer", "schema": schema, **fields}}


@pytest.mark.parametrize("strict", [True, False, None])
def test_a_schema_holds_whatever_strict_says(catalog: Catalog, strict: bool | None) -> None:
    async def story(live: Live) -> None:
        for seed in range(3):
            made = await ask(live, text=schema_format(PERSON, strict=strict), **WILD, seed=seed)
            assert made["status"] == "completed"
            jsonschema_rs.validate(PERSON, json.loads(made["output_text"]))
            assert made["text"]["format"]["schema"] == PERSON

    with_live(catalog, story)


@pytest.mark.parametrize(
    ("fields", "pattern"),
    [
        ({"grammar": {"type": "regex", "value": "[0-9]{3}-[a-f]"}}, r"^[0-9]{3}-[a-f]$"),
        ({"grammar": {"type": "lark", "value": 'start: "yes" | "no"'}}, "^(yes|no)$"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "b",
            "schema": {"type": "boolean"}}}}, "^(true|false)$"),
    ],
)  # fmt: skip
def test_grammars_and_their_aliases_hold(
    catalog: Catalog, fields: dict[str, Any], pattern: str
) -> None:
    async def story(live: Live) -> None:
        made = await ask(live, **fields, **WILD)
        assert jsonschema_rs.is_valid({"pattern": pattern}, made["output_text"])
        assert made["status"] == "completed"

    with_live(catalog, story)


def test_free_and_bounded_turns_share_the_batch(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        running = [await start(live, text=schema_format(PERSON), **WILD, seed=n) for n in range(4)]
        free = [await start(live, max_output_tokens=60, seed=n) for n in range(4)]
        for one in running:
            final = await one.final()
            jsonschema_rs.validate(PERSON, json.loads(final.output_text))
        for one in free:
            assert (await one.final()).usage is not None

    with_live(catalog, story)


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("required", {"add", "sub"}),
        ({"type": "function", "name": "sub"}, {"sub"}),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "add"}],
            },
            {"add"},
        ),
    ],
)
def test_a_forced_call_is_one_of_the_allowed_with_arguments_of_its_schema(
    catalog: Catalog, choice: Any, names: set[str]
) -> None:
    async def story(live: Live) -> None:
        made = await ask(
            live,
            tools=[ADD, {**ADD, "name": "sub"}],
            tool_choice=choice,
            parallel_tool_calls=False,
            **WILD,
        )
        (call,) = made["output"]
        assert call["type"] == "function_call"
        assert call["name"] in names
        jsonschema_rs.validate(ADD["parameters"], json.loads(call["arguments"]))

    with_live(catalog, story)


@pytest.mark.parametrize(
    ("tool", "pattern"), [(NOTE, "^[a-c]{2,4}$"), (LARK, "^[*]{3} [a-z]{1,5}\n$")]
)
def test_a_custom_tools_grammar_holds_and_its_input_is_plain_text(
    catalog: Catalog, tool: dict[str, Any], pattern: str
) -> None:
    async def story(live: Live) -> None:
        events = await read(
            await start(
                live,
                tools=[tool],
                tool_choice={"type": "custom", "name": tool["name"]},
                parallel_tool_calls=False,
                **WILD,
            )
        )
        last = msgspec.json.decode(events[-1].json)["response"]
        (call,) = last["output"]
        assert call["type"] == "custom_tool_call"
        assert jsonschema_rs.is_valid({"pattern": pattern}, call["input"])
        deltas = [
            msgspec.json.decode(event.json)["delta"]
            for event in events
            if event.type == "response.custom_tool_call_input.delta"
        ]
        assert "".join(deltas) == call["input"]
        items = [*last["output"], {"type": "custom_tool_call_output",
                 "call_id": call["call_id"], "output": "done"}]  # fmt: skip
        await ask(live, input=[{"role": "user", "content": "x"}, *items], tools=[tool])

    with_live(catalog, story)


def test_a_namespaced_call_says_name_and_namespace_apart(catalog: Catalog) -> None:
    group = {"type": "namespace", "name": "mcp__calc", "tools": [ADD]}

    async def story(live: Live) -> None:
        made = await ask(
            live, tools=[group], tool_choice="required", parallel_tool_calls=False, **WILD
        )
        (call,) = made["output"]
        assert (call["name"], call["namespace"]) == ("add", "mcp__calc")

    with_live(catalog, story)


def test_calls_or_else_a_document_when_both_are_asked_for(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        for seed in range(4):
            made = await ask(
                live, tools=[ADD], text=schema_format(PERSON), **{**WILD, "seed": seed}
            )
            kinds = {item["type"] for item in made["output"]}
            assert kinds in ({"message"}, {"function_call"})
            if kinds == {"message"} and made["status"] == "completed":
                jsonschema_rs.validate(PERSON, json.loads(made["output_text"]))

    with_live(catalog, story)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"text": schema_format({"type": "nothing"})}, "text.format.schema"),
        ({"grammar": {"type": "regex", "value": "("}}, "grammar.value"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [ADD], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
        (
            {"tools": [{**ADD, "parameters": {"type": "object", "not": {"$ref": "#/x"}}}]},
            "tools[0].parameters",
        ),
    ],
)
def test_what_cannot_be_promised_is_refused_by_name(
    catalog: Catalog, fields: dict[str, Any], param: str
) -> None:
    async def story(live: Live) -> None:
        with pytest.raises(RequestError) as refused:
            await start(live, **fields)
        assert refused.value.param == param
        assert live.status().turns == 0

    with_live(catalog, story)


def test_an_index_is_kept_on_disk_for_the_next_start(catalog: Catalog, tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        made = await ask(live, text=schema_format({"enum": ["yes", "no"]}), **WILD)
        assert made["output_text"] in ('"yes"', '"no"')
        [kept] = tmp_path.iterdir()
        seen.add((kept.name, kept.stat().st_mtime_ns))

    seen: set[tuple[str, int]] = set()
    with_live(catalog, story, story, limits=LiveLimits(grammar_folder=tmp_path))
    assert len(seen) == 1


def test_what_a_function_that_is_not_strict_is_not_held_to_is_logged_once(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    tags = {"type": "array", "items": {"type": "string"}, "maxItems": 2, "uniqueItems": True}
    parameters = {"type": "object", "properties": {"tags": tags}, "required": ["tags"]}
    tool = {"type": "function", "name": "tag", "parameters": parameters}

    async def story(live: Live) -> None:
        for _ in range(2):
            await ask(live, tools=[tool], tool_choice="required")
        with pytest.raises(RequestError) as refusal:
            await ask(live, tools=[{**tool, "strict": True}], tool_choice="required")
        assert refusal.value.param == "tools[0].parameters"
        assert "uniqueItems" in refusal.value.message

    with caplog.at_level(logging.INFO):
        with_live(catalog, story)
    [said] = [text for text in caplog.messages if "not held to" in text]
    assert "uniqueItems at #/properties/tags" in said


TOLD = (
    "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments }}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A chat template that shows tools, so that a model's own way of calling is asked of it."""


def speaking(folder: Path, dialect: str) -> Catalog:
    """A tiny model that is said to speak a dialect, and to think when asked to."""
    spec = next(iter(tiny_catalog(folder)))
    (folder / "chat_template.jinja").write_text(TOLD)
    spec = msgspec.structs.replace(
        spec, context_window=4096, dialect=dialect, thinking=("high",), default_effort="none"
    )
    return Catalog({"tiny": spec}, {})


@pytest.mark.parametrize("dialect", ["harmony", "qwen3_coder", "glm", "gemma4", "lfm2", "llama"])
def test_a_call_can_be_forced_of_a_model_with_a_way_of_its_own(
    dialect: str, tmp_path: Path
) -> None:
    async def story(live: Live) -> None:
        made = await ask(
            live, tools=[ADD], tool_choice="required", parallel_tool_calls=False, **WILD
        )
        (call,) = made["output"]
        assert call["name"] == "add"
        jsonschema_rs.validate(ADD["parameters"], json.loads(call["arguments"]))
        await ask(live, tools=[ADD], input=[*made["output"], {"role": "user", "content": "x"}])

    with_live(speaking(tmp_path, dialect), story)


def test_a_schema_holds_in_harmonys_final_channel(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        for seed in range(3):
            made = await ask(live, text=schema_format(PERSON), **WILD, seed=seed)
            assert [item["type"] for item in made["output"]] == ["message"]
            jsonschema_rs.validate(PERSON, json.loads(made["output_text"]))

    with_live(speaking(tmp_path, "harmony"), story)


@pytest.mark.parametrize("kind", ["local_shell", "shell", "apply_patch"])
def test_a_built_in_tool_is_called_in_its_own_item_and_its_output_continues_the_chain(
    catalog: Catalog, kind: str
) -> None:
    outputs = {
        "local_shell": lambda call: {"id": call["call_id"], "output": "a"},
        "shell": lambda call: {
            "call_id": call["call_id"],
            "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "timeout"}}],
        },
        "apply_patch": lambda call: {"call_id": call["call_id"], "status": "completed"},
    }

    async def story(live: Live) -> None:
        tools = [{"type": kind}]
        for seed in range(20):
            wild = {**WILD, "max_output_tokens": 900, "seed": seed}
            made = await ask(
                live, tools=tools, tool_choice={"type": kind}, parallel_tool_calls=False, **wild
            )
            [call] = made["output"]
            assert call["type"] == f"{kind}_call"
            if call["status"] == "completed":
                break
        output = {"type": f"{kind}_call_output", **outputs[kind](call)}
        told = await ask(live, tools=tools, input=[output], previous_response_id=made["id"])
        assert told["usage"]["input_tokens"] > made["usage"]["input_tokens"]

    with_live(catalog, story)


def test_turns_of_one_agent_are_each_held_to_their_own_choice(catalog: Catalog) -> None:
    number = {**ADD, "name": "sub", "parameters": {**ADD["parameters"], "properties": {
        "a": {"type": "integer", "minimum": 50, "maximum": 59}}}}  # fmt: skip
    tools = [ADD, number]

    async def story(live: Live) -> None:
        for name, least in (("add", 0), ("sub", 50), ("add", 0)):
            choice = {"type": "function", "name": name}
            made = await ask(
                live, tools=tools, tool_choice=choice, parallel_tool_calls=False, **WILD
            )
            (call,) = made["output"]
            assert call["name"] == name
            assert least <= json.loads(call["arguments"])["a"] <= least + 9
        other = {**number, "name": "add"}
        made = await ask(live, tools=[other], tool_choice="required", **WILD)
        assert json.loads(made["output"][0]["arguments"])["a"] >= 50

    with_live(catalog, story)


def test_a_document_that_is_cut_is_incomplete_and_its_beginning_is_kept(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        made = await ask(live, text=schema_format(PERSON), **{**WILD, "max_output_tokens": 4})
        assert made["status"] == "incomplete"
        assert made["incomplete_details"] == {"reason": "max_output_tokens"}
        assert made["output"][0]["status"] == "incomplete"
        assert made["output_text"].startswith('{"n')

    with_live(catalog, story)


def test_the_empty_text_ends_at_once_where_it_is_the_only_one(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        made = await ask(live, grammar={"type": "regex", "value": ""}, **WILD)
        assert (made["status"], made["output_text"]) == ("completed", "")

    with_live(catalog, story)


def test_a_call_that_breaks_what_no_mask_could_hold_is_noticed_and_delivered(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    ones = {"type": "array", "items": {"const": 1}, "contains": {"const": 1}}
    ones |= {"minItems": 1, "maxItems": 2, "minContains": 3}  # no list can be both
    properties = {"type": "object", "properties": {"n": ones}, "required": ["n"]}
    tool = {"type": "function", "name": "count", "parameters": properties, "strict": False}

    async def story(live: Live) -> None:
        made = await ask(live, tools=[tool], tool_choice="required", **WILD)
        (call, *_) = made["output"]
        assert 1 <= len(json.loads(call["arguments"])["n"]) <= 2
        await live.close(1)  # what is being checked is waited for
        assert live.meter.broken_arguments >= 1

    with caplog.at_level(logging.WARNING):
        with_live(catalog, story)
    assert "arguments of 'count' do not keep to its parameters: contains at #/n" in caplog.text
