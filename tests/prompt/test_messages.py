"""Items become chat messages by the rules that messages.py states."""

import base64

import msgspec
import pytest

from mlx_responses.errors import RequestError
from mlx_responses.prompt.messages import to_functions, to_messages
from mlx_responses.wire.items import Item
from mlx_responses.wire.tools import CustomTool, FunctionTool, HostedTool


def chat(*items: dict, instructions: str | None = None) -> list[dict]:
    """The messages of items as they come on the wire."""
    typed = [msgspec.convert({"type": "message", **item}, Item) for item in items]
    located = [(f"input[{n}]", item) for n, item in enumerate(typed)]
    return to_messages(located, instructions)


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def call(call_id: str, arguments: str = '{"a": 1}') -> dict:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": arguments}


def output(call_id: str, text: object = "4") -> dict:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def test_a_string_message_is_itself():
    assert chat(user("hi")) == [{"role": "user", "content": "hi"}]


def test_instructions_lead_and_developer_messages_are_system_messages_in_their_place():
    messages = chat(
        {"role": "developer", "content": "Be brief."},
        user("hi"),
        {"role": "system", "content": [{"type": "input_text", "text": "No jokes."}]},
        instructions="You are Marvin.",
    )
    assert messages == [
        {"role": "system", "content": "You are Marvin."},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "No jokes."},
    ]


def test_the_parts_of_a_message_are_lines():
    parts = [{"type": "input_text", "text": "b"}, {"type": "text", "text": "c"}]
    assert chat({"role": "user", "content": parts}) == [{"role": "user", "content": "b\nc"}]


def test_outputs_come_before_what_a_system_said_meanwhile():
    words = {"role": "developer", "content": "Be brief."}
    roles = [m["role"] for m in chat(call("c1"), words, output("c1"), user("hi"))]
    assert roles == ["assistant", "tool", "system", "user"]


def test_thoughts_words_and_calls_become_one_assistant_message():
    messages = chat(
        user("hi"),
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]},
        {
            "role": "assistant",
            "id": "msg_1",
            "content": [
                {"type": "output_text", "text": "Look"},
                {"type": "refusal", "refusal": "!"},
            ],
        },
        call("c1"),
        call("c2", "not json"),
    )
    assert messages[1] == {
        "role": "assistant",
        "content": "Look!",
        "reasoning_content": "Hm",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
            {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "not json"}},
        ],
    }


def test_a_thought_without_content_is_told_by_its_summary():
    summary = [{"type": "summary_text", "text": "short"}]
    message = chat({"type": "reasoning", "summary": summary, "content": None})[0]
    assert message["reasoning_content"] == "short"


@pytest.mark.parametrize("arguments", ['{"a" :1}', "[1]", '{"a": "\\ud83d"}', '{"a": NaN}', ""])
def test_arguments_stay_as_written(arguments: str):
    assert chat(call("c", arguments))[0]["tool_calls"][0]["function"]["arguments"] == arguments


def test_tool_outputs_stand_in_the_order_of_their_calls():
    parts = [{"type": "input_text", "text": "x"}, {"type": "input_text", "text": "y"}]
    messages = chat(call("c1"), call("c2"), output("c2", parts), output("c1"))
    assert messages[1:] == [
        {"role": "tool", "content": "4", "name": "f", "tool_call_id": "c1"},
        {"role": "tool", "content": "x\ny", "name": "f", "tool_call_id": "c2"},
    ]


def test_an_output_without_its_call_is_refused():
    with pytest.raises(RequestError, match="output with call_id c9") as caught:
        chat(user("hi"), output("c9"), call("c9"))
    assert caught.value.param == "input"


def data_url(data: bytes, media: str = "text/plain") -> str:
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "image_url": "data:image/png;base64,AA"},
        {"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}},
        {"type": "input_file", "file_url": "https://example.com/a.txt"},
        {"type": "input_file", "file_id": "file_1"},
        {"type": "input_file", "file_data": "just text"},
        {"type": "input_file", "file_data": "data:text/plain;base64,!"},
        {"type": "input_file", "file_data": data_url(b"\xff\xfe")},
        {"type": "input_file", "file_data": data_url(b"a\0b")},
        {"type": "input_file", "file_data": data_url(b"%PDF-1.4", "application/octet-stream")},
        {"type": "input_file", "file_data": data_url(b"<svg/>", "image/svg+xml")},
    ],
)
def test_what_is_no_text_is_refused_at_its_part(part: dict):
    content = [{"type": "input_text", "text": "see"}, part]
    with pytest.raises(RequestError) as caught:
        chat(user("hi"), {"role": "user", "content": content})
    assert caught.value.param == "input[1].content[1]"
    with pytest.raises(RequestError) as caught:
        chat({"role": "user", "content": [{"type": "input_file", "file_url": "http://x"}]})
    assert caught.value.param == "input[0].content[0]"


def test_an_image_in_a_tool_output_is_refused_at_its_part():
    with pytest.raises(RequestError) as caught:
        chat(call("c"), output("c", [{"type": "input_image", "image_url": "http://x"}]))
    assert caught.value.param == "input[1].output[0]"


@pytest.mark.parametrize(
    "url", [data_url("é = 1\n".encode(), "text/x-python;charset=utf-8"), "data:,%C3%A9%20=%201%0A"]
)
def test_a_text_file_is_read_into_the_prompt(url: str):
    part = {"type": "input_file", "filename": "a.py", "file_data": url}
    assert chat({"role": "user", "content": [part]})[0]["content"] == "File a.py:\né = 1\n"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "custom_tool_call", "call_id": "c", "name": "n", "input": ""},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "compaction", "encrypted_content": "x"},
    ],
)
def test_items_that_no_prompt_can_hold_are_refused_by_name(item: dict):
    with pytest.raises(RequestError, match=item["type"]) as caught:
        chat(item)
    assert caught.value.param == "input[0].type"


def test_functions_are_offered_in_the_order_that_models_know():
    tool = FunctionTool(name="f", description="d", parameters={"type": "object"}, strict=True)
    bare = FunctionTool(name="g")
    assert [
        list(one["function"].items()) for one in to_functions([tool, HostedTool({}), bare])
    ] == [
        [("name", "f"), ("description", "d"), ("parameters", {"type": "object"})],
        [("name", "g"), ("parameters", {"type": "object", "properties": {}})],
    ]


def test_a_custom_tool_is_refused_at_its_place():
    with pytest.raises(RequestError, match="custom") as caught:
        to_functions([HostedTool({}), CustomTool(name="patch")])
    assert caught.value.param == "tools[1]"
