"""Every dialect's calls: what is babbled under the mask is read back as what was allowed."""

import json

import jsonschema_rs
import msgspec
import pytest
from vocabularies import END, TINY, accepts, allowed, walk

from mlx_responses import dialects
from mlx_responses.bounds import ways_of
from mlx_responses.grammar import Grammars, Vocabulary
from mlx_responses.grammar.calls import Staged, calling, fixed_text, thought
from mlx_responses.offer import make_offer
from mlx_responses.parts import CallDelta, CallEnded, CallStarted, ReasoningDelta, TextDelta
from mlx_responses.wire.tools import CustomTool, FunctionTool, GrammarFormat

GRAMMARS = Grammars(TINY)
EVERYTHING = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 5},
        "mood": {"enum": ["good", "bad", 3, None]},
        "word": {"type": "string", "pattern": "^[a-z<]{1,4}$"},
        "count": {"type": "integer", "minimum": -2, "maximum": 20},
        "note": {"type": ["string", "null"], "maxLength": 4},
        "either": {"anyOf": [{"type": "boolean"}, {"type": "string", "maxLength": 6}]},
        "list": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 2},
        "deep": {
            "type": "object",
            "properties": {"a": {"type": "string", "maxLength": 3}},
            "required": ["a"],
            "additionalProperties": False,
        },
        "same": {"const": "x y"},
    },
    "required": ["city", "mood", "word", "deep"],
    "additionalProperties": False,
}
LOOSE = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 4}},
    "required": ["city"],
    "additionalProperties": {"type": ["integer", "string"], "maxLength": 3},
    "maxProperties": 3,
}
TOOLS = [
    FunctionTool("everything", parameters=EVERYTHING, strict=True),
    FunctionTool("loose", parameters=LOOSE),
    FunctionTool("ping"),
]
PATCH = GrammarFormat("lark", 'start: "*** " WORD LF\nWORD: /[a-z"]{1,5}/\n%import common.LF')
CUSTOM = [
    CustomTool("patch", format=PATCH),
    CustomTool("code", format=GrammarFormat("regex", "a+\n?")),
]
FORMS = [
    pytest.param(name, n, id=f"{name}-{n}")
    for name, dialect in dialects.DIALECTS.items()
    for n in range(len(dialect.forms))
]


def alone(name, n):
    """The dialect with only one of its ways."""
    dialect = dialects.DIALECTS[name]
    return msgspec.structs.replace(dialect, forms=(dialect.forms[n],))


def source_of(name, n, tools, **choice):
    offer = make_offer(tools, "required")
    return calling(GRAMMARS, ways_of(alone(name, n), offer.allowed, GRAMMARS), **choice)


def heard(name, text, tools):
    """(name, arguments) of each call; every part is of a call."""
    shown = {tool.name: tool.parameters or {} for tool in make_offer(tools, "auto").functions()}
    reader = dialects.reader(name, thinking=False, opening="", tools=shown, calls="bounded")
    calls = []
    for part in [*reader.feed(text), *reader.finish()]:
        match part:
            case CallStarted(name=called):
                calls.append((called, []))
            case CallDelta(text=more):
                calls[-1][1].append(more)
            case CallEnded():
                pass
            case _:
                raise AssertionError((part, text))
    return [(called, "".join(pieces)) for called, pieces in calls]


@pytest.mark.parametrize(("name", "n"), FORMS)
def test_a_forced_call_is_read_back_as_one_that_satisfies_its_schema(name, n):
    source = source_of(name, n, TOOLS, mode="required", parallel=False)
    schemas = {tool.name: tool.parameters for tool in TOOLS}
    met = set()
    for seed in range(12):
        text = walk(source, seed, most=6000)
        if text is None:
            continue
        [(called, arguments)] = heard(name, text.decode(), TOOLS)
        jsonschema_rs.validate(schemas[called] or True, json.loads(arguments))
        met.add(called)
    assert len(met) > 1


@pytest.mark.parametrize(("name", "n"), FORMS)
def test_a_custom_tools_grammar_holds_in_every_way(name, n):
    for tool, language in ((CUSTOM[0], "lark"), (CUSTOM[1], "regex")):
        source = source_of(name, n, [tool], mode="required", parallel=False)
        for seed in range(4):
            text = walk(source, seed)
            [(called, arguments)] = heard(name, text.decode(), [tool])
            made = getattr(GRAMMARS, language)(tool.format.definition)
            assert called == tool.name
            assert accepts(made, json.loads(arguments)["input"]), arguments


@pytest.mark.parametrize("name", [n for n, d in dialects.DIALECTS.items() if d.forms])
def test_parallel_calls_are_all_read(name):
    source = source_of(name, 0, [TOOLS[2]], mode="required", parallel=True)
    counts = {len(heard(name, walk(source, seed).decode(), TOOLS)) for seed in range(8)}
    assert min(counts) >= 1
    assert max(counts) > 1


@pytest.mark.parametrize(("name", "n"), FORMS)
def test_in_auto_a_call_keeps_to_its_schema_from_the_marker_on(name, n):
    source = source_of(name, n, TOOLS, mode="auto", parallel=False)
    marker = dialects.DIALECTS[name].forms[n].marker
    guide = source.start()
    for byte in marker.encode():
        assert guide.mask() is None or guide.mask()[byte // 32] >> (byte % 32) & 1
        guide.advance(byte)
    inside = guide.mask()
    assert inside is not None
    assert not inside[ord("~") // 32] >> (ord("~") % 32) & 1


HARMONY = dialects.DIALECTS["harmony"]
MARKS = (b"<end>", *(f"<|{word}|>".encode() for word in ("start", "end", "channel", "message")))
SPOKEN = Vocabulary(
    [*(bytes([byte]) for byte in range(256)), *MARKS],
    eos_ids=frozenset({END}),
    control_ids=frozenset(range(END + 1, END + len(MARKS))),
)


@pytest.mark.parametrize("vocabulary", [TINY, SPOKEN])
def test_harmony_thinks_in_its_own_channel_before_a_document(vocabulary):
    grammars = Grammars(vocabulary)
    opening, end = HARMONY.thought
    stages = [
        thought(grammars, opening, end),
        fixed_text(grammars, HARMONY.answer),
        grammars.schema({"enum": [1, 23]}, strict=True),
    ]
    text = f"{opening}I think 1 < 2{end}{HARMONY.answer}23"
    guide, rest = Staged(vocabulary, stages).start(), text.encode()
    while rest:
        ids = sorted(allowed(guide, vocabulary), key=lambda one: -len(vocabulary.tokens[one]))
        token = next(one for one in ids if one != END and rest.startswith(vocabulary.tokens[one]))
        guide.advance(token)
        rest = rest[len(vocabulary.tokens[token]) :]
    assert guide.accepting
    assert allowed(guide, vocabulary) == [END]
    reader = dialects.reader("harmony", thinking=True, opening="", calls="bounded")
    said = [*reader.feed(text), *reader.finish()]
    assert (
        "".join(part.text for part in said if isinstance(part, ReasoningDelta)) == "I think 1 < 2"
    )
    assert "".join(part.text for part in said if isinstance(part, TextDelta)) == "23"
