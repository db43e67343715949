"""Compiled grammars are made once, kept within bounds, and found again, on disk too."""

import json

import pytest
from vocabularies import END, TINY, accepts, allowed, tiny

from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars, Vocabulary
from mlx_responses.grammar.automaton import TOO_MANY, Automaton
from mlx_responses.grammar.index import Table
from mlx_responses.grammar.lark import Matching

WORDS = {"enum": ["yes", "no", "perhaps"]}


def test_the_same_request_is_compiled_once():
    grammars = Grammars(TINY)
    assert grammars.schema(WORDS, strict=True) is grammars.schema(WORDS, strict=True)
    assert grammars.schema(WORDS, strict=True) is not grammars.schema(WORDS, strict=False)


def test_a_source_put_together_is_made_once_and_nothing_is_not_remembered():
    grammars = Grammars(TINY)
    source = grammars.regex("a")
    assert grammars.remembered("nothing", lambda: None) is None
    assert grammars.remembered("nothing", lambda: source) is source
    assert grammars.remembered("nothing", lambda: None) is source
    assert grammars.remembered("another", lambda: None) is None


def test_memory_is_bounded_and_the_oldest_goes_first():
    grammars = Grammars(TINY, memory_bytes=500_000)
    first = grammars.schema({"const": 0}, strict=True)
    for number in range(1, 5):
        grammars.schema({"const": number}, strict=True)
    assert grammars.schema({"const": 0}, strict=True) is not first


def test_what_takes_too_long_to_index_is_parsed():
    assert isinstance(Grammars(TINY).schema(WORDS, strict=True), Table)
    assert isinstance(Grammars(TINY, budget_ms=0).schema(WORDS, strict=True), Matching)


def test_an_index_outlives_the_process_and_a_damaged_one_is_made_again(tmp_path):
    Grammars(TINY, folder=tmp_path).schema(WORDS, strict=True)
    [file] = tmp_path.iterdir()
    whole = file.read_bytes()
    for stored in (whole, whole[:-3], b""):
        file.write_bytes(stored)
        touched = file.stat().st_mtime_ns
        again = Grammars(tiny(), folder=tmp_path).schema(WORDS, strict=True)
        assert accepts(again, '"perhaps"')
        assert not accepts(again, '"maybe"')
        assert file.read_bytes() == whole
        assert (file.stat().st_mtime_ns == touched) == (stored == whole)


def test_an_index_of_another_vocabulary_is_not_taken(tmp_path):
    Grammars(TINY, folder=tmp_path).schema(WORDS, strict=True)
    other = Vocabulary(TINY.tokens, eos_ids=frozenset({END}), control_ids=frozenset())
    Grammars(other, folder=tmp_path).schema(WORDS, strict=True)
    assert len([*tmp_path.iterdir()]) == 2


def test_another_vocabulary_has_another_key():
    assert tiny().key == TINY.key
    other = Vocabulary(TINY.tokens, eos_ids=frozenset({0}), control_ids=frozenset())
    assert other.key != TINY.key


@pytest.mark.parametrize("source", ["1|10|11", "(a|ab)(c|bcd)", "(true|false)x?"])
def test_an_index_sees_the_whole_language_not_only_the_leftmost_match(source):
    eager, lazy = Grammars(TINY, budget_ms=10_000), Grammars(TINY, budget_ms=-1)
    one, other = eager.regex(source), lazy.regex(source)
    assert (type(one), type(other)) == (Table, Matching)
    for text in ("1", "10", "11", "ac", "abc", "abcd", "true", "truex", "x", "abbcd"):
        assert accepts(one, text) == accepts(other, text)


@pytest.mark.parametrize("source", ["[1-9][0-9]{0,40}x", ".*a.{20}", "(x+x+)+y{300}"])
def test_a_regex_that_would_explode_is_never_given_to_the_index(source):
    assert Automaton(source).visits(300) == TOO_MANY


def test_members_may_come_in_any_order_when_asked():
    schema = {"properties": {"a": {"const": 1}, "b": {}, "c": {}}, "required": ["a", "c"]}
    free = Grammars(TINY).schema(schema, strict=True, only_object=True, ordered=False)
    for value in ({"c": 0, "a": 1}, {"b": 2, "c": 0, "x": 5, "a": 1}, {"a": 1, "c": 0}):
        assert accepts(free, json.dumps(value))
    for text in ('{"a": 1}', '{"c": 0, "a": 2}', '{"a": 1, "a": 1, "c": 0}'):
        assert not accepts(free, text)


@pytest.mark.parametrize(
    "text",
    [
        "start: missing",
        "",
        'start: "a',
        "x" * 5_000_000,
        "start: r0\n" + "".join(f"r{i}: r{i + 1}\n" for i in range(3000)) + 'r3000: "a"',
    ],
    ids=["unknown", "empty", "cut", "long", "deep"],
)
def test_a_bad_lark_grammar_is_refused(text):
    with pytest.raises(RequestError) as refusal:
        Grammars(TINY).lark(text)
    assert refusal.value.code == "invalid_grammar"


def test_a_control_token_is_no_text():
    guide = Grammars(TINY).schema({"type": "string"}, strict=True).start()
    guide.advance(ord('"'))
    assert not {257, 258, 259, 260} & set(allowed(guide))


class Letters:
    """A tokenizer of four tokens; the model's logits are wider."""

    vocab_size = 4
    eos_ids = frozenset({3})
    control_texts = ("<end>",)

    def encode(self, text):
        return [3] if text == "<end>" else ["ab".index(char) for char in text]

    def token_bytes(self, token_id):
        return (b"a", b"b", b"", b"<end>")[token_id]


def test_a_vocabulary_is_read_from_a_tokenizer_and_padded_to_the_logits():
    vocabulary = Vocabulary.of(Letters(), 40)
    assert vocabulary.size == 40
    assert vocabulary.words == 2
    assert vocabulary.control_id("<end>") == 3
    guide = Grammars(vocabulary).regex("a+b").start()
    assert allowed(guide, vocabulary) == [0]
    guide.advance(0)
    guide.advance(1)
    assert allowed(guide, vocabulary) == [3]
