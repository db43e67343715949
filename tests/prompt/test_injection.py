"""What people, tools and files say stays text: in every family's template, in every field."""

import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toytokens import ToyTokenizer

from mlx_responses.archive import Context, Order
from mlx_responses.catalog import PACKAGED_CATALOG, read_catalog
from mlx_responses.compaction import visible
from mlx_responses.dialects import DIALECTS
from mlx_responses.dialects.dialect import Dialect
from mlx_responses.draft import draft
from mlx_responses.engine.hub import HubTokenizer
from mlx_responses.engine.load import Loaded, open_files
from mlx_responses.prompt.render import Renderer
from mlx_responses.seal import Seal
from mlx_responses.spellings import Spellings
from mlx_responses.wire.codec import decode_request

ROLES = ("<|im_start|>", "<|im_end|>", "<|start|>", "<|message|>", "[INST]", "</s>", "<|eot_id|>")
TEMPLATE = """
{%- for tool in tools or [] %}[tool]{{ tool | tojson }}{% endfor -%}
{%- for m in messages -%}
<|im_start|>{{ m.role }}
{% if m.reasoning_content %}OPEN{{ m.reasoning_content }}CLOSE{% endif -%}
{{ m.content }}
{%- for call in m.tool_calls or [] -%}
MARKER{{ call.function.name }}MIDDLE
{%- for key, value in call.function.arguments.items() -%}
BEFORE{{ key }}BETWEEN{{ value if value is string else value | tojson }}AFTER
{%- endfor %}{{ call.function.arguments | tojson }}FOOT
{%- endfor -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt %}<|im_start|>assistant{% endif -%}
"""


def markers(dialect: Dialect) -> dict[str, str]:
    """What a dialect writes at each place of `TEMPLATE`: of its first way of calling."""
    opened, closed = dialect.thought or ("", "")
    found = {"OPEN": opened, "CLOSE": closed}
    names = ("MARKER", "MIDDLE", "FOOT", "BEFORE", "BETWEEN", "AFTER")
    found |= dict.fromkeys(names, "")
    for form in dialect.forms[:1]:
        found |= {"MARKER": form.marker + form.head, "MIDDLE": form.middle, "FOOT": form.foot}
        if form.parameters is not None:
            one = form.parameters
            found |= {"BEFORE": one.before, "BETWEEN": one.between, "AFTER": one.after}
    return found


def controls(dialect: Dialect) -> tuple[str, ...]:
    """Every marker of a dialect, in all its ways, as if each were a token; and those of roles."""
    said = list(dialect.thought or ())
    for form in dialect.forms:
        said += [form.marker, form.head, form.middle, form.foot]
        if form.parameters is not None:
            said += [form.parameters.before, form.parameters.between, form.parameters.after]
    words = {text.strip() for text in said if len(text.strip()) > 1}
    return tuple(sorted({*words, *ROLES}, key=len, reverse=True))


def toy(dialect: Dialect) -> ToyTokenizer:
    """A model whose template is in a dialect's markers."""
    template = TEMPLATE
    for name, text in markers(dialect).items():
        template = template.replace(name, f"{{{{ {json.dumps(text)} }}}}" if text else "")
    return ToyTokenizer(template, controls=controls(dialect))


def words(texts) -> st.SearchStrategy[str]:
    """Texts with markers in them, whole, cut in two, and spelled as JSON would."""
    halves = [half for text in texts for half in (text[: len(text) // 2], text[len(text) // 2 :])]
    escapes = [json.dumps(text)[1:-1].replace("<", "\\u003c") for text in texts]
    some = st.sampled_from([*texts, *halves, *escapes, "\\ufdd0", "\ufdd0"])
    return st.lists(some | st.text(max_size=3), max_size=5).map("".join)


def talk(said: str) -> list[dict]:
    """Every kind of message, with `said` wherever somebody says something."""
    function = {"name": f"f{said}", "arguments": json.dumps({f"k{said}": [f"v{said}", {said: 1}]})}
    return [
        {"role": "system", "content": f"s{said}"},
        {"role": "user", "content": f"u{said}"},
        {
            "role": "assistant",
            "content": f"a{said}",
            "reasoning_content": f"t{said}",
            "tool_calls": [{"id": f"c{said}", "type": "function", "function": function}],
        },
        {"role": "tool", "content": f"r{said}", "name": f"f{said}", "tool_call_id": f"c{said}"},
    ]


def tool(said: str) -> dict:
    """A function that says `said` everywhere."""
    schema = {"type": "object", "properties": {f"k{said}": {"enum": [f"e{said}"]}}}
    named = {"name": f"f{said}", "description": f"d{said}", "parameters": schema}
    return {"type": "function", "function": named}


@pytest.mark.parametrize("name", DIALECTS)
def test_nobodys_words_become_a_marker_of_any_dialect(name):
    tokenizer = toy(DIALECTS[name])

    def found(said):
        ids = Renderer(tokenizer, [tool(said)], thinking=False).render(talk(said)).ids
        return tokenizer.controls_in(ids)

    harmless = found("x")

    @settings(max_examples=25)
    @given(words(tokenizer.control_texts))
    def check(said):
        assert found(f"x{said}") == harmless

    check()


FILES = open_files(read_catalog(PACKAGED_CATALOG).resolve("pocket"))
WIDTH = len(FILES.wrapper.get_vocab())
POCKET = HubTokenizer(FILES.wrapper, WIDTH)
LOADED = Loaded(
    spec=FILES.spec,
    tokenizer=POCKET,
    context_window=10**6,
    vocab_size=WIDTH,
    weights_bytes=0,
    model_type=FILES.config["model_type"],
    chat_template=POCKET.chat_template,
)
SEAL = Seal(bytes(32))


def items(said: str) -> list[dict]:
    """Every kind of item that reaches a prompt."""
    data = base64.b64encode(f"f{said}".encode()).decode()
    file = {"type": "input_file", "filename": f"n{said}", "file_data": f"data:text/x;base64,{data}"}
    text = {"type": "input_text", "text": f"p{said}"}
    custom = {"type": "custom_tool_call", "call_id": "c2", "name": "free", "input": f"i{said}"}
    commands = {"commands": [f"c{said}"]}
    told = {"stdout": f"o{said}", "stderr": f"e{said}", "outcome": {"type": f"x{said}"}}
    change = {"type": "update_file", "path": f"p{said}", "diff": f"d{said}"}
    arguments = json.dumps({f"k{said}": f"v{said}"})
    return [
        {"role": "developer", "content": f"d{said}"},
        {"role": "user", "content": [text, file]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": f"s{said}"}]},
        {"role": "assistant", "content": f"a{said}"},
        {"type": "function_call", "call_id": "c1", "name": f"f{said}", "arguments": arguments},
        {"type": "function_call_output", "call_id": "c1", "output": [text, file]},
        custom,
        {"type": "custom_tool_call_output", "call_id": "c2", "output": f"o{said}"},
        {"type": "shell_call", "call_id": "c3", "action": commands},
        {"type": "shell_call_output", "call_id": "c3", "output": [told]},
        {"type": "apply_patch_call", "call_id": "c4", "operation": change},
        {
            "type": "apply_patch_call_output",
            "call_id": "c4",
            "status": "failed",
            "output": f"o{said}",
        },
        {"role": "user", "content": f"u{said}"},
    ]


def request(said: str) -> dict:
    """A request that says `said` in every field that takes any text."""
    schema = {"type": "object", "properties": {f"k{said}": {"description": f"d{said}"}}}
    return {
        "model": "pocket",
        "instructions": f"i{said}",
        "input": items(said),
        "metadata": {"m": said[:512]},
        "user": said,
        "tools": [
            {"type": "function", "name": "f", "description": f"d{said}", "parameters": schema},
            {"type": "custom", "name": "free", "description": f"d{said}"},
            {"type": "shell"},
            {"type": "apply_patch"},
        ],
    }


def pocket_controls(said: str) -> int:
    """How many control tokens the prompt of that request has."""
    wanted, _ = decode_request(msgspec.json.encode(request(said)))
    assert not isinstance(wanted.input, str)
    context = Context(own=wanted.input, view=visible([], wanted.input, SEAL))
    order = Order("resp_1", 0, wanted, context)
    ids = draft(order, LOADED, Spellings(POCKET)).prompt.ids
    known = {POCKET.encode(text)[0] for text in POCKET.control_texts if not text.isspace()}
    return sum(one in known for one in ids)


HARMLESS = pocket_controls("x")


@settings(max_examples=40)
@given(words([*POCKET.control_texts, *ROLES]).filter(lambda said: "\0" not in said))  # no text file
def test_no_field_of_a_request_makes_a_control_token(said):
    assert pocket_controls(f"x{said}") == HARMLESS


def test_a_control_token_in_every_field_is_told_as_the_text_that_it_is():
    wanted, _ = decode_request(msgspec.json.encode(request("<|im_end|>")))
    assert not isinstance(wanted.input, str)
    view = visible([], wanted.input, SEAL)
    order = Order("resp_1", 0, wanted, Context(own=wanted.input, view=view))
    ids = draft(order, LOADED, Spellings(POCKET)).prompt.ids
    told = b"".join(map(POCKET.token_bytes, ids)).decode()
    assert told.count("u<|im_end|>") == told.count("n<|im_end|>") // 2 == 1
