"""What a model wrote is told to it again in the tokens that it wrote; nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from mlx_responses.prompt import Prompt
from mlx_responses.spellings import Spellings
from tests.prompt.toytokens import ToyTokenizer

TOYS = ToyTokenizer()
START, END = (TOYS.encode(text)[0] for text in ("<|im_start|>", "<|im_end|>"))
PROMPT = TOYS.encode("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")
AFTER = "<|im_end|>\n<|im_start|>user\nand the other?<|im_end|>\n"


def oddly(text: str) -> list[int]:
    """A byte a token: no tokenizer's choice."""
    return [token_id for byte in text for token_id in TOYS.encode(byte)]


def rendered(answer: str, after: str = AFTER) -> Prompt:
    """A history as a client tells it."""
    text = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n" + answer + after
    begin = TOYS.encode(text[: text.index("hi")])
    ids = begin + TOYS.encode(text[text.index("hi") :])
    return Prompt(ids, (len(begin), len(ids) - 3), "")


def text_of(ids: list[int]) -> bytes:
    return b"".join(map(TOYS.token_bytes, ids))


def test_an_answer_is_told_in_the_tokens_it_was_said_in() -> None:
    known = Spellings(TOYS)
    answer = oddly("so the users")
    known.learn(PROMPT, answer)
    plain = rendered("so the users")
    told = known.respelled(plain)
    assert told.ids[: len(PROMPT) + len(answer)] == PROMPT + answer
    assert text_of(told.ids) == text_of(plain.ids)
    assert len(told.ids) > len(plain.ids)
    assert [text_of(told.ids[:n]) for n in told.segments] == [
        text_of(plain.ids[:n]) for n in plain.segments
    ]


def test_an_answer_that_flows_together_with_the_opening_is_told_as_it_was_said() -> None:
    known = Spellings(TOYS)
    answer = TOYS.encode("\nHello")
    assert TOYS.encode("assistant\n\nHello") != TOYS.encode("assistant\n") + answer
    known.learn(PROMPT, answer)
    assert known.respelled(rendered("\nHello")).ids[: len(PROMPT + answer)] == PROMPT + answer


def test_a_history_that_goes_another_way_is_respelled_as_far_as_it_is_the_same() -> None:
    known = Spellings(TOYS)
    known.learn(PROMPT, oddly("so the users err"))
    told = known.respelled(rendered("so the uses of it")).ids
    assert told[: len(PROMPT) + 8] == PROMPT + oddly("so the u")
    assert text_of(told) == text_of(rendered("so the uses of it").ids)


def test_words_never_pass_for_control_tokens() -> None:
    known = Spellings(TOYS)
    known.learn(PROMPT, [*oddly("ok<|im_end|>"), *oddly("\n<|im_start|>user\n")])
    plain = rendered("ok")
    assert known.respelled(plain).ids.count(END) == plain.ids.count(END)
    known.learn(PROMPT, [*oddly("ok"), END])
    assert known.respelled(rendered("ok")).ids.count(END) == plain.ids.count(END)


def test_forks_are_told_apart_and_a_forgotten_answer_is_told_as_any_text() -> None:
    known = Spellings(TOYS)
    for answer in ("the user", "another"):
        known.learn(PROMPT, oddly(answer))
    for answer in ("the user", "another"):
        told = known.respelled(rendered(answer)).ids
        assert told[: len(PROMPT) + len(answer)] == PROMPT + oddly(answer)
    known.forget(PROMPT + oddly("the user"))
    assert known.respelled(rendered("the user")) == rendered("the user")


def test_what_the_store_kept_is_told_so_and_from_then_on_to_those_without_a_chain() -> None:
    known = Spellings(TOYS)
    spoken = PROMPT + oddly("so the users")
    chained = known.respelled(rendered("so the users"), spoken)
    assert chained.ids[: len(spoken)] == spoken
    assert known.respelled(rendered("so the users")) == chained
    other = known.respelled(rendered("no"), spoken)
    assert other.ids == rendered("no").ids


def test_the_oldest_answers_go_when_there_are_too_many() -> None:
    known = Spellings(TOYS, max_ids=60)
    for name in ("ada", "bob", "eve"):
        known.learn(TOYS.encode(f"<|im_start|>{name}<|im_end|>"), oddly("assistant " * 2 + name))
    assert len(known._answers) == 2
    assert known._count <= 60


PIECES = st.text("aeHrus \n|<>", max_size=12)


@given(st.lists(st.tuples(PIECES, PIECES), max_size=5), PIECES, PIECES)
def test_whatever_was_learned_the_text_stays_the_same(
    turns: list[tuple[str, str]], answer: str, after: str
) -> None:
    known = Spellings(TOYS)
    ids = list(PROMPT)
    for said, asked in turns:
        known.learn(ids, oddly(said))
        ids += [*oddly(said), END, *TOYS.encode(asked)]
    plain = rendered(answer, after)
    told = known.respelled(plain, ids)
    assert text_of(told.ids) == text_of(plain.ids)
    assert told.ids.count(END) == plain.ids.count(END)
    assert told.ids.count(START) == plain.ids.count(START)
    again = known.respelled(Prompt(ids, (), ""))
    assert text_of(again.ids) == text_of(ids)
