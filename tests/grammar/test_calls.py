"""tool_choice and friends: which calls a model can write, and where it is free."""

import json
import re

import pytest
from vocabularies import CALL, END, THINK, THINK_END, TINY, accepts, allowed, say, walk

from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars, write_schema
from mlx_responses.grammar.calls import Form, Thinking, Tool, calling
from mlx_responses.grammar.freeform import write_input

GRAMMARS = Grammars(TINY)
FORM = Form.json(("<tool_call>\n", "\n</tool_call>"))
SPELLED = Form.json(("[call]\n", "\n[/call]"))
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome", "Oslo"]}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = [
    Tool("weather", write_schema(CITY, strict=True)),
    Tool("ping", write_schema({"maxProperties": 0}, strict=True, only_object=True)),
]
ONE = re.compile(r'<tool_call>\n\{"name": "(weather|ping)", "arguments": (\{.*?\})\}\n</tool_call>')
PATCH = """
start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?
hunk: add_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
update_hunk: "*** Update File: " filename LF change_line+
filename: /(.+)/
add_line: "+" /(.*)/ LF -> line
change_line: ("+" | "-" | " ") /(.*)/ LF
%import common.LF
"""


def text_of(ids):
    return b"".join(TINY.tokens[token] for token in ids)


def ids_of(text):
    """Control tokens as such, all else byte by byte."""
    parts = re.split("(<tool_call>|</tool_call>|<think>|</think>)", text)
    return [
        token
        for part in parts
        for token in ([TINY.control_id(part)] if part.startswith(("<t", "</t")) else part.encode())
        if part
    ]


def can_say(source, text):
    """May a guide say this text and then end? None: not even the text."""
    guide = source.start()
    for token in ids_of(text):
        if token not in allowed(guide):
            return None
        guide.advance(token)
    return END in allowed(guide)


def call(name, **arguments):
    body = json.dumps({"name": name, "arguments": arguments})
    return f"<tool_call>\n{body}\n</tool_call>"


@pytest.mark.parametrize("seed", range(8))
def test_required_gives_calls_and_nothing_else(seed):
    said = walk(calling(GRAMMARS, [(FORM, TOOLS)], mode="required"), seed).decode()
    assert re.fullmatch(f"{ONE.pattern}(\n{ONE.pattern})*", said)
    assert all(set(json.loads(found[1])) <= {"city"} for found in ONE.findall(said))


@pytest.mark.parametrize("seed", range(4))
def test_without_parallel_calls_there_is_exactly_one(seed):
    source = calling(GRAMMARS, [(FORM, TOOLS)], mode="required", parallel=False)
    assert ONE.fullmatch(walk(source, seed).decode())


def test_a_name_that_is_not_among_the_tools_cannot_be_written():
    source = calling(GRAMMARS, [(FORM, TOOLS[:1])], mode="required")
    assert can_say(source, call("weather", city="Oslo"))
    assert can_say(source, call("ping")) is None
    assert can_say(source, call("weather", city="Paris")) is None
    assert can_say(source, "Hello") is None


def test_auto_is_free_until_the_marker_and_after_the_call():
    source = calling(GRAMMARS, [(FORM, TOOLS)], mode="auto")
    assert can_say(source, "Hello")
    assert can_say(source, f"Let me see. {call('weather', city='Rome')} Done. {call('ping')}")
    assert can_say(source, f"x{call('hack')}") is None
    assert can_say(source, "x<tool_call>\n{") is False
    assert source.start().mask() is None


def test_auto_without_parallel_calls_lets_one_through():
    source = calling(GRAMMARS, [(FORM, TOOLS)], mode="auto", parallel=False)
    assert can_say(source, f"{call('ping')} text")
    assert can_say(source, f"{call('ping')}{call('ping')}") is None


@pytest.mark.parametrize("tools", [TOOLS, []])
def test_none_cannot_write_the_marker_as_a_token_or_letter_by_letter(tools):
    source = calling(GRAMMARS, [(FORM, tools)], mode="none" if tools else "auto")
    guide = source.start()
    assert CALL not in allowed(guide)
    say(guide, b"a <tool_call")
    assert ord(">") not in allowed(guide)
    assert TINY.tokens.index(b">x") not in allowed(guide)
    assert ord(")") in allowed(guide)


def test_a_marker_of_several_tokens_is_seen_too():
    source = calling(GRAMMARS, [(SPELLED, TOOLS)], mode="auto")
    guide = source.start()
    say(guide, b'ok [call]\n{"name": "ping", "arguments": {}}\n[/call] and on')
    assert guide.accepting
    guide = source.start()
    say(guide, b"ok [call]")
    assert allowed(guide) == [ord("\n")]


def test_forced_runs_write_all_of_a_call_that_is_certain():
    guide = calling(GRAMMARS, [(FORM, TOOLS[:1])], mode="required", parallel=False).start()
    assert text_of([CALL, *b'\n{"name": "weather"']).startswith(text_of(guide.forced())[:20])
    say(guide, [CALL])
    assert b'"weather", "arguments"' in text_of(guide.forced())


def test_a_thought_is_free_and_cannot_end_the_answer():
    inner = calling(GRAMMARS, [(FORM, TOOLS)], mode="required", parallel=False)
    source = Thinking(TINY, inner, end="</think>", opening=None)
    guide = source.start()
    assert END not in allowed(guide)
    say(guide, b"hm {")
    assert CALL in allowed(guide)
    say(guide, [THINK_END])
    assert CALL in allowed(guide)
    assert ord("x") not in allowed(guide)
    assert can_say(source, f"hm</think>\n\n{call('ping')}")
    assert can_say(source, f"hm</think>\n\n\n{call('ping')}") is None


def test_a_thought_may_be_opened_or_left_out_where_the_prompt_left_that_open():
    inner = GRAMMARS.schema({"const": 1}, strict=True)
    source = Thinking(TINY, inner, end="</think>", opening="<think>")
    assert THINK in allowed(source.start())
    assert can_say(source, "1")
    assert can_say(source, "<think>a</think>1")
    assert can_say(source, "\n1") is None


def test_a_thought_can_be_rolled_back_across_its_end():
    inner = GRAMMARS.schema({"const": 12}, strict=True)
    guide = Thinking(TINY, inner, end="</think>", opening=None).start()
    say(guide, [*b"a", THINK_END, *b"\n1"])
    guide.rollback(3)
    assert ord("z") in allowed(guide)
    say(guide, [THINK_END, *b"12"])
    assert guide.accepting


PATCHED = '*** Begin Patch\n*** Update File: a "b".py\n-x = 1\n+é = "\\n"\n*** End Patch\n'


def test_a_lark_grammar_holds_inside_the_string_of_a_call():
    tool = Tool("apply_patch", write_input("lark", PATCH))
    source = calling(GRAMMARS, [(FORM, [tool])], mode="required")
    assert can_say(source, call("apply_patch", input="nonsense")) is None
    body = json.dumps(PATCHED, ensure_ascii=False)
    text = f'<tool_call>\n{{"name": "apply_patch", "arguments": {{"input": {body}}}}}\n</tool_call>'
    assert can_say(source, text)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_in_a_string_fits_the_grammar_once_it_is_read(seed):
    grammar = 'start: "say " WORD (NL WORD)?\nWORD: /["a\\\\\\t]{1,4}/\nNL: /\\n/\n'
    said = walk(GRAMMARS.written(write_input("lark", grammar)), seed)
    assert accepts(GRAMMARS.lark(grammar), json.loads(said)["input"])


def test_a_regex_holds_inside_the_string_of_a_call():
    source = GRAMMARS.written(write_input("regex", '[a-z"]+\n'))
    assert accepts(source, json.dumps({"input": 'a"b\n'}))
    assert not accepts(source, json.dumps({"input": "a1\n"}))


def test_free_input_is_any_string():
    assert accepts(GRAMMARS.written(write_input(None)), '{"input": "é \\n"}')


@pytest.mark.parametrize(
    ("syntax", "definition"),
    [("lark", "start: %json {}"), ("lark", 'start: "a"i'), ("regex", r"(a)\1"), ("ebnf", "x")],
)
def test_an_input_grammar_that_cannot_be_spelled_is_refused(syntax, definition):
    with pytest.raises(RequestError):
        write_input(syntax, definition)
