"""ask and chat: against a running server, and one that they start themselves."""

import io
import json
import os
import pty
import subprocess
import sys

import msgspec
import pytest

from mlx_responses.app.__main__ import main
from tests.serving import COMMAND

TOOL = {
    "name": "get_weather",
    "description": "Get the weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


@pytest.fixture
def call(pocket_server, tmp_path, monkeypatch, capsys):
    """A verb with words on its standard input; its exit code and what it printed."""

    def run(verb, *given, stdin="", url=pocket_server):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        server = ["--url", url] if url else []
        code = main([verb, *given, *server, "--data-dir", str(tmp_path)])
        return code, *capsys.readouterr()

    return run


def test_an_answer_is_streamed_to_standard_output_and_ends_its_line(call):
    code, out, err = call("ask", "What is the capital of France?", "--temperature", "0")
    assert (code, err) == (0, "")
    assert "Paris" in out
    assert out.endswith("\n")
    assert not out.endswith("\n\n")


def test_what_is_piped_in_is_the_question_or_comes_after_it(call):
    _, alone, _ = call("ask", "--temperature", "0", stdin="What is the capital of France?")
    assert "Paris" in alone
    _, out, _ = call("ask", "Say", "this:", "--json", "--max-tokens", "16", stdin="one two")
    assert msgspec.json.decode(out)["status"] in ("completed", "incomplete")


def test_continue_goes_on_from_the_last_answer(call, tmp_path):
    code, _, err = call("ask", "--continue", "Hello")
    assert code == 1
    assert "There is no answer to go on from" in err
    call("ask", "My name is Ada.")
    first = (tmp_path / "last_asked").read_text()
    _, out, _ = call("ask", "-c", "What is my name?", "--json", "--max-tokens", "16")
    assert msgspec.json.decode(out)["previous_response_id"] == first


def test_a_schema_is_followed(call, tmp_path):
    schema = tmp_path / "person.json"
    schema.write_text(json.dumps({**TOOL["parameters"]}))
    _, out, _ = call("ask", "--schema", str(schema), "Reply in JSON with the key city: Paris.")
    assert list(msgspec.json.decode(out)) == ["city"]


def test_a_tool_with_a_command_is_run_and_its_output_answered(call, tmp_path):
    tool = tmp_path / "weather.json"
    program = "import sys, json; print('sunny in ' + json.load(sys.stdin)['city'])"
    tool.write_text(json.dumps({**TOOL, "command": [sys.executable, "-c", program]}))
    code, out, err = call(
        "ask", "--tool", str(tool), "--temperature", "0", "What is the weather in Paris?"
    )
    assert code == 0
    assert 'get_weather({"city"' in err
    assert out.strip()


def test_a_call_that_nobody_answers_is_printed_as_json(call, tmp_path):
    tool = tmp_path / "weather.json"
    tool.write_text(json.dumps([TOOL]))
    _, out, _ = call(
        "ask", "--tool", str(tool), "--temperature", "0", "What is the weather in Paris?"
    )
    printed = msgspec.json.decode(out.splitlines()[-1])
    assert (printed["type"], printed["name"]) == ("function_call", "get_weather")


def test_thinking_does_not_mix_with_an_answer_that_is_piped(call):
    _, out, err = call("ask", "What is 2 + 2?", "--effort", "medium", "--temperature", "0")
    assert "think" not in out
    assert err == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "There is no question."),
        (["Hi", "--schema", "/no/such"], "--schema: /no/such cannot be read"),
        (["Hi", "--tool", "/dev/null"], "--tool: /dev/null is no JSON"),
        (["Hi", "--model", "gpt-9"], "The model 'gpt-9' does not exist here."),
        (["Hi", "--effort", "vast"], "The effort 'vast' is none of none, minimal, low"),
    ],
)
def test_what_cannot_be_asked_is_one_line(call, given, said):
    code, out, err = call("ask", *given)
    assert (code, out) == (1, "")
    assert said in err
    assert err.count("\n") == 1


def test_chat_remembers_what_was_said_until_it_begins_anew(call):
    said = (
        "My name is Ada.\nWhat is my name?\n/undo\n/model\n/model gpt-9\n/what\n/exit\nnot reached"
    )
    code, out, err = call("chat", "--temperature", "0", stdin=said)
    assert code == 0
    assert "Ada" in out.splitlines()[-1]
    assert "pocket" in err
    assert "'gpt-9' does not exist" in err
    assert "/new           begin anew" in err


def test_at_a_terminal_a_line_comes_back_by_the_arrow_keys(pocket_server, tmp_path):
    ours, theirs = pty.openpty()
    words = ["chat", "--url", pocket_server, "--data-dir", str(tmp_path)]
    with os.fdopen(ours, "r+b", 0) as screen:
        with subprocess.Popen([*COMMAND, *words], stdin=theirs, stdout=theirs) as process:
            os.close(theirs)
            shown = b""
            for typed in (b"/model nope\n", b"\x1b[A\n", b"/exit\n"):
                while not shown.endswith(b"> "):
                    shown += screen.read(4096)
                screen.write(typed)
                shown = b""
                while b"\n" not in shown:
                    shown += screen.read(4096)
                if typed.startswith(b"\x1b"):
                    assert b"/model nope" in shown
        assert process.returncode == 0


def test_without_a_server_one_is_started_for_the_question(call, tmp_path):
    code, out, err = call("ask", "What is the capital of France?", "--temperature", "0", url=None)
    assert code == 0
    assert "Paris" in out
    assert "No server runs: loading pocket here." in err
    assert not (tmp_path / "server.json").exists()


def test_a_server_that_cannot_start_says_why(call):
    code, _, err = call("ask", "Hi", "--model", "gpt-9", url=None)
    assert code == 2
    assert "The model 'gpt-9' does not exist here." in err
