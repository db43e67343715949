"""Items and parts come back as they went, and the SDK's own types read what is put out."""

import json

import msgspec
import pytest
from openai.types.responses import ResponseOutputItem
from pydantic import TypeAdapter

from mlx_responses.wire import items
from mlx_responses.wire.codec import decode_request, encode

TEXT = {"type": "input_text", "text": "Hi"}
SAID = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
LOGPROB = {
    "token": "é",
    "logprob": -0.5,
    "bytes": [195, 169],
    "top_logprobs": [{"token": "é", "logprob": -0.5, "bytes": [195, 169]}],
}
NOTE = {"type": "url_citation", "start_index": 0, "end_index": 2, "url": "u", "title": "t"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'}
CUSTOM = {"type": "custom_tool_call", "call_id": "call_1", "name": "exec", "input": "ls\n"}
LOCAL_SHELL = {
    "type": "local_shell_call",
    "call_id": "call_1",
    "action": {"type": "exec", "command": ["ls", "-l"], "env": {}, "timeout_ms": None,
               "user": None, "working_directory": "/tmp"},
}  # fmt: skip
SHELL = {
    "type": "shell_call",
    "call_id": "call_1",
    "action": {"commands": ["ls"], "timeout_ms": 1000, "max_output_length": None},
}
PATCH = {
    "type": "apply_patch_call",
    "call_id": "call_1",
    "operation": {"type": "update_file", "path": "a.py", "diff": "@@\n-x\n+y"},
}
SHELL_OUTPUT = {"stdout": "a\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}
TOOL = {
    "type": "function",
    "name": "f",
    "description": None,
    "parameters": {"type": "object", "default": None},
    "strict": None,
}


def message(role: str, *content: dict, **fields: str) -> dict:
    return {"type": "message", "role": role, "content": list(content), **fields}


PUT_OUT = [
    message("assistant", SAID, id="msg_1", status="completed"),
    message("assistant", SAID, SAID, id="msg_1", status="incomplete", phase="commentary"),
    message("assistant", id="msg_1", status="in_progress"),
    message("assistant", {"type": "refusal", "refusal": "No."}, id="msg_1", status="completed"),
    message("assistant", {**SAID, "logprobs": [LOGPROB]}, id="msg_1", status="completed"),
    message("assistant", {**SAID, "annotations": [NOTE]}, id="msg_1", status="completed"),
    {**CALL, "id": "fc_1", "status": "completed"},
    {**CALL, "id": "fc_1", "status": "incomplete", "namespace": "mcp__calc"},
    {**CALL, "id": "fc_1", "status": "completed", "caller": {"type": "direct"}},
    {**CUSTOM, "id": "ctc_1", "status": "completed"},
    {**LOCAL_SHELL, "id": "lsh_1", "status": "completed"},
    {**SHELL, "id": "sh_1", "status": "completed"},
    {**PATCH, "id": "apc_1", "status": "completed"},
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "In short."}],
        "content": [{"type": "reasoning_text", "text": "At length."}],
        "encrypted_content": "sealed",
        "status": "completed",
    },
    {"type": "compaction", "id": "cmp_1", "encrypted_content": "sealed"},
]
TAKEN_IN = [
    {"type": "message", "role": "user", "content": "Hi"},
    message("developer", TEXT, {"type": "text", "text": "Hi"}),
    message(
        "user",
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain,a"},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "input_video", "video_url": "https://example.org/a.mp4"},
    ),
    message("assistant", {"type": "reasoning_text", "text": "Hm."}, SAID),
    CALL,
    CUSTOM,
    LOCAL_SHELL,
    {"type": "local_shell_call_output", "id": "call_1", "output": "a"},
    SHELL,
    {"type": "shell_call_output", "call_id": "call_1", "output": [SHELL_OUTPUT]},
    PATCH,
    {"type": "apply_patch_call_output", "call_id": "call_1", "status": "failed", "output": "no"},
    {"type": "function_call_output", "call_id": "call_1", "output": "1", "status": "completed"},
    {"type": "function_call_output", "id": "fco_1", "call_id": "call_1", "output": [TEXT]},
    {"type": "custom_tool_call_output", "call_id": "call_1", "output": "done"},
    {"type": "custom_tool_call_output", "call_id": "call_1", "output": [TEXT]},
    {"type": "item_reference", "id": "msg_1"},
    {"type": "compaction_trigger"},
    {"type": "additional_tools", "role": "developer", "tools": [TOOL]},
]


def through(item: dict) -> object:
    body = {"model": "m", "input": [item]}
    request, ignored = decode_request(json.dumps(body).encode())
    assert ignored == ()
    return json.loads(encode(request.input))[0]


@pytest.mark.parametrize("item", PUT_OUT + TAKEN_IN, ids=lambda item: item["type"])
def test_an_item_comes_back_unchanged(item):
    assert through(item) == item


@pytest.mark.parametrize("item", PUT_OUT, ids=lambda item: item["type"])
def test_what_is_put_out_is_an_output_item_and_the_sdk_reads_it(item):
    value = msgspec.json.decode(json.dumps(item), type=items.OutputItem)
    assert json.loads(encode(value)) == item
    TypeAdapter(ResponseOutputItem).validate_json(encode(value), strict=True)


def test_every_item_type_is_tried():
    tried = {item["type"] for item in PUT_OUT + TAKEN_IN}
    assert tried == {kind.__struct_config__.tag for kind in items.Item.__args__}


def test_nulls_of_an_item_equal_leaving_out():
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "content": None}
    assert through({**reasoning, "encrypted_content": None, "status": None}) == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
    }
    said = {"type": "output_text", "text": "Hello", "annotations": None, "logprobs": None}
    assert through(message("assistant", said)) == message("assistant", SAID)


def test_output_text_may_come_without_its_lists():
    bare = {"type": "output_text", "text": "Hello"}
    assert through(message("assistant", bare)) == message("assistant", SAID)


def test_items_written_by_hand_get_their_type():
    assert through({"role": "user", "content": "Hi"}) == TAKEN_IN[0]
    assert through({"id": "msg_1"}) == {"type": "item_reference", "id": "msg_1"}
