"""Tools as the model sees them, calls as the client knows them."""

import itertools
import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses.client_tools import call_item
from mlx_responses.errors import RequestError
from mlx_responses.hearing import Hearing, Unwrapping
from mlx_responses.offer import as_functions, make_offer
from mlx_responses.parts import CallDelta, CallEnded, CallStarted, TextDelta
from mlx_responses.wire.items import (
    AdditionalTools,
    ApplyPatchCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    LocalShellCallOutput,
    Message,
    ShellCallOutput,
    ShellOutput,
)
from mlx_responses.wire.tools import (
    AllowedTool,
    AllowedTools,
    ApplyPatchChoice,
    ApplyPatchTool,
    CustomChoice,
    CustomTool,
    FunctionChoice,
    FunctionTool,
    GrammarFormat,
    HostedTool,
    LocalShellTool,
    NamespaceTool,
    ShellChoice,
    ShellTool,
)

ADD = FunctionTool("add")
PATCH = CustomTool("apply_patch", "Edit files.", GrammarFormat("lark", 'start: "x"'))
CALC = NamespaceTool("mcp__calc", [ADD, CustomTool("note")])


def test_namespaces_are_flattened_and_hosted_tools_left_out():
    offer = make_offer([HostedTool({"type": "web_search"}), CALC, ADD, PATCH], "auto")
    assert [one.shown for one in offer.tools] == [
        "add",
        "apply_patch",
        "mcp__calc__add",
        "mcp__calc__note",
    ]
    assert offer.tools[2].path == "tools[1].tools[0]"


def test_a_name_that_is_taken_gets_a_number():
    offer = make_offer([CALC, FunctionTool("mcp__calc__add")], "auto")
    assert [one.shown for one in offer.tools][:2] == ["mcp__calc__add", "mcp__calc__add_2"]
    assert offer.tools[1].namespace == "mcp__calc"


CLIENTS = [LocalShellTool(), ShellTool(), ApplyPatchTool()]
ARGUMENTS = {
    "local_shell": {"command": ["ls", "-l"], "working_directory": "/tmp"},
    "shell": {"commands": ["ls", "pwd"], "timeout_ms": 1000},
    "apply_patch": {"type": "update_file", "path": "a.py", "diff": "-x\n+y"},
}


@pytest.mark.parametrize("tool", CLIENTS)
def test_a_built_in_tool_is_shown_as_a_strict_function_and_heard_as_its_own_kind(tool):
    offer = make_offer([tool], "required")
    [shown] = offer.functions()
    assert (shown.name, shown.strict) == (tool.name, True)
    jsonschema_rs.validate(shown.parameters, ARGUMENTS[tool.name])
    assert Hearing(offer).hear(CallStarted(tool.name)) == [CallStarted(tool.name, tool.name)]


@pytest.mark.parametrize("tool", CLIENTS)
def test_the_item_of_a_built_in_call_says_again_what_the_model_wrote(tool):
    text = json.dumps(ARGUMENTS[tool.name])
    item = call_item(tool.name, text, "call_1", "x_1", "completed")
    [told] = as_functions([item], make_offer([tool], "auto"))
    assert (told.name, json.loads(told.arguments)) == (tool.name, ARGUMENTS[tool.name])
    cut = call_item(tool.name, text[:9], "call_1", "x_1", "incomplete")
    assert (cut.type, cut.status) == (item.type, "incomplete")


def test_outputs_of_built_in_tools_are_read_as_those_of_functions():
    said = ShellOutput("a\n", "", {"type": "exit", "exit_code": 0})
    outputs = [
        LocalShellCallOutput("a", "call_1"),
        ShellCallOutput("call_2", [said]),
        ApplyPatchCallOutput("call_3", "failed"),
    ]
    told = as_functions(outputs, make_offer(CLIENTS, "auto"))
    assert [one.call_id for one in told] == ["call_1", "call_2", "call_3"]
    assert json.loads(told[1].output)[0]["outcome"]["exit_code"] == 0
    assert "failed" in told[2].output


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (ShellChoice(), "shell"),
        (ApplyPatchChoice(), "apply_patch"),
        (AllowedTools([AllowedTool("local_shell")], "required"), "local_shell"),
    ],
)
def test_a_built_in_tool_can_be_chosen(choice, name):
    offer = make_offer(CLIENTS, choice)
    assert ([one.shown for one in offer.allowed], offer.mode) == ([name], "required")
    with pytest.raises(RequestError) as refused:
        make_offer([ADD], choice)
    assert refused.value.param.startswith("tool_choice")


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(RequestError) as refused:
        make_offer([ADD, ADD], "auto")
    assert refused.value.param == "tools[1].name"


def test_a_custom_tool_is_shown_as_a_function_of_one_text_with_its_grammar():
    function = make_offer([PATCH], "auto").functions()[0]
    assert function.parameters is not None
    assert function.parameters["required"] == ["input"]
    assert 'start: "x"' in str(function.description)


@pytest.mark.parametrize(
    ("choice", "allowed", "mode"),
    [
        ("auto", ["add", "apply_patch"], "auto"),
        ("none", ["add", "apply_patch"], "none"),
        ("required", ["add", "apply_patch"], "required"),
        (FunctionChoice("add"), ["add"], "required"),
        (CustomChoice("apply_patch"), ["apply_patch"], "required"),
        (AllowedTools([AllowedTool("function", "add")]), ["add"], "auto"),
        (AllowedTools([AllowedTool("function", "add")], "required"), ["add"], "required"),
    ],
)
def test_the_choice_says_which_may_be_called(choice, allowed, mode):
    offer = make_offer([ADD, PATCH], choice)
    assert ([one.shown for one in offer.allowed], offer.mode) == (allowed, mode)
    assert len(offer.tools) == 2


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ([], "required"),
        ([ADD], FunctionChoice("sub")),
        ([ADD], CustomChoice("add")),
        ([ADD], AllowedTools([AllowedTool("custom", "add")])),
    ],
)
def test_a_choice_of_what_is_not_there_is_refused(tools, choice):
    with pytest.raises(RequestError) as refused:
        make_offer(tools, choice)
    assert str(refused.value.param).startswith("tool_choice")


def test_tools_in_the_input_join_the_others():
    extra = AdditionalTools("developer", [FunctionTool("sub")])
    offer = make_offer([ADD], "auto", [Message("user", "a"), extra])
    assert [(one.shown, one.path) for one in offer.tools] == [
        ("add", "tools[0]"),
        ("sub", "input[1].tools[0]"),
    ]
    assert as_functions([extra], offer) == []


def test_history_is_told_as_the_model_wrote_it():
    offer = make_offer([CALC, PATCH], "auto")
    told = as_functions(
        [
            CustomToolCall("c1", "apply_patch", 'a"b'),
            CustomToolCallOutput("c1", "done"),
            FunctionCall("c2", "add", "{}", namespace="mcp__calc"),
            FunctionCall("c3", "gone", "{}", namespace="old"),
        ],
        offer,
    )
    assert told == [
        FunctionCall("c1", "apply_patch", json.dumps({"input": 'a"b'})),
        FunctionCallOutput("c1", "done"),
        FunctionCall("c2", "mcp__calc__add", "{}"),
        FunctionCall("c3", "old__gone", "{}"),
    ]


def test_calls_get_their_names_and_namespaces_back():
    hearing = Hearing(make_offer([CALC], "auto"))
    assert hearing.hear(CallStarted("mcp__calc__add")) == [
        CallStarted("add", "function", "mcp__calc")
    ]
    assert hearing.hear(CallDelta("{}")) == [CallDelta("{}")]
    assert hearing.hear(CallEnded()) == [CallEnded()]
    assert hearing.hear(TextDelta("a")) == [TextDelta("a")]
    assert hearing.hear(CallStarted("unknown")) == [CallStarted("unknown")]


def test_a_custom_calls_input_streams_as_plain_text():
    hearing = Hearing(make_offer([PATCH], "auto"))
    assert hearing.hear(CallStarted("apply_patch")) == [CallStarted("apply_patch", "custom")]
    said = [
        part
        for text in ('{"inp', 'ut": "a\\', "nb", '"}')
        for part in hearing.hear(CallDelta(text))
    ]
    assert said == [CallDelta("a"), CallDelta("\nb")]
    assert hearing.hear(CallEnded()) == [CallEnded()]


@given(st.text(), st.booleans(), st.lists(st.integers(0, 200), max_size=8))
def test_any_input_is_unwrapped_however_it_is_cut(text, ascii_only, cuts):
    whole = json.dumps({"input": text}, ensure_ascii=ascii_only)
    unwrapping = Unwrapping()
    places = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]
    assert "".join(map(unwrapping.feed, pieces)) + unwrapping.finish() == text


def test_half_a_surrogate_pair_is_lost_and_nothing_else():
    unwrapping = Unwrapping()
    broken = '{"input": "\\ud83dx\\ude00"}'
    assert unwrapping.feed(broken) + unwrapping.finish() == "\ufffdx\ufffd"


def test_what_is_no_wrapped_input_stays_as_it_is():
    unwrapping = Unwrapping()
    assert unwrapping.feed('{"other": 1}') + unwrapping.finish() == '{"other": 1}'
