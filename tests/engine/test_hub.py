"""The adapter over Hugging Face tokenizers: ids, bytes, templates, threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.tokenizer_utils import TokenizerWrapper
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from mlx_responses.engine.hub import HubTokenizer
from mlx_responses.errors import RequestError, TemplateFailed
from mlx_responses.text import Detokenizer

SAID = [{"role": "user", "content": "hi"}]


def wrapped(rust, vocab_size=None, **options):
    fast = PreTrainedTokenizerFast(tokenizer_object=rust, **options)
    return HubTokenizer(TokenizerWrapper(fast), vocab_size or rust.get_vocab_size())


def byte_level(**options):
    return wrapped(tiny.byte_level_tokenizer(), eos_token="<|im_end|>", **options)


def sentence_pieces():
    pieces = [
        ("<unk>", 0.0),
        ("\u2581", -3.0),
        ("\u2581hello", -1.0),
        ("\u2581w", -2.0),
        ("orld", -2.0),
    ]
    pieces += [(f"<0x{byte:02X}>", -9.0) for byte in range(256)]
    rust = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    rust.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    rust.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return wrapped(rust)


def spelled(tokenizer, text):
    return b"".join(tokenizer.token_bytes(i) for i in tokenizer.encode(text)).decode()


BYTE_LEVEL = byte_level()


@given(st.text())
def test_byte_level_tokens_spell_their_text(text):
    assert spelled(BYTE_LEVEL, text) == text


@pytest.mark.parametrize("text", ["hello world", "hello \u00e9\U0001f600"])
def test_sentence_pieces_spell_their_text_after_the_space_they_begin_with(text):
    assert spelled(sentence_pieces(), text) == f" {text}"


def test_control_texts_become_one_id_and_spell_themselves():
    tokenizer = byte_level()
    assert tokenizer.control_texts == tiny.CONTROLS
    [token_id] = tokenizer.encode("<|im_end|>")
    assert tokenizer.token_bytes(token_id) == b"<|im_end|>"
    assert tokenizer.eos_ids == {token_id}


def test_a_split_character_is_whole_after_its_last_token():
    detokenizer = Detokenizer(BYTE_LEVEL)
    fed = [detokenizer.feed(i) for i in BYTE_LEVEL.encode("\u00e9")]
    assert fed == ["", "\u00e9"]


def test_ids_that_only_pad_the_logits_have_no_text():
    tokenizer = wrapped(tiny.byte_level_tokenizer(), vocab_size=300)
    assert tokenizer.vocab_size == 300
    assert tokenizer.token_bytes(299) == b""


def test_a_template_renders_its_options():
    tokenizer = byte_level(chat_template="{{ messages[0].content }} {{ mood }}")
    rendered = tokenizer.apply_template(
        SAID, tools=None, generation_prompt=True, options={"mood": "calm"}
    )
    assert rendered == "hi calm"
    assert "mood" in tokenizer.chat_template


@pytest.mark.parametrize(
    ("template", "param"), [(None, "model"), ("{{ raise_exception('no') }}", "input")]
)
def test_without_a_template_or_refused_by_it_the_request_is_wrong(template, param):
    tokenizer = byte_level(chat_template=template)
    with pytest.raises(RequestError) as refused:
        tokenizer.apply_template(SAID, tools=None, generation_prompt=True, options={})
    assert refused.value.param == param


def test_many_threads_may_encode_at_once():
    texts = [f"text number {n} " * 50 for n in range(64)]
    alone = [BYTE_LEVEL.encode(text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(BYTE_LEVEL.encode, texts)) == alone


@pytest.mark.parametrize("text", ["\uff1c|im_start|\uff1e", "<|IM_START|>", "<|im_st\u212art|>"])
def test_only_its_very_text_becomes_a_control_token_whatever_is_normalised(text):
    letters = sorted({*"<|im_start|>k", "\u2581"})
    rust = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    steps = [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(" ", "\u2581")]
    rust.normalizer = normalizers.Sequence(steps)
    rust.add_special_tokens([AddedToken("<|im_start|>", normalized=True)])
    rust.add_tokens([AddedToken("  ", normalized=True)])
    tokenizer = wrapped(rust)
    control, blanks = len(letters), len(letters) + 1
    assert tokenizer.encode("<|im_start|>") == [control]
    assert tokenizer.encode("  ") == [blanks]
    assert control not in tokenizer.encode(text)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ messages[0].content + 1 }}", "TypeError"),
        ("{{ 1 // 0 }}", "ZeroDivisionError"),
        ("{% if %}", "TemplateSyntaxError"),
    ],
)
def test_a_defect_of_a_template_is_a_failure_that_names_the_model_and_the_defect(template, reason):
    tokenizer = byte_level(chat_template=template, name_or_path="/models/odd")
    with pytest.raises(TemplateFailed, match=f"/models/odd has a defect: {reason}") as failed:
        tokenizer.apply_template(SAID, tools=None, generation_prompt=True, options={})
    assert (failed.value.status, failed.value.code) == (500, "chat_template_failed")
