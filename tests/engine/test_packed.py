"""KV caches of few bits: what is said hardly changes, what is kept is smaller, and reuse works."""

import mlx.core as mx
import msgspec
import pytest
from mlx_lm.models.cache import KVCache

from mlx_responses.catalog import PACKAGED_CATALOG, read_catalog
from mlx_responses.engine.load import read_model
from mlx_responses.engine.packed import Packing
from mlx_responses.errors import LoadFailed

SYSTEM = list(range(40, 100))
EIGHT = {"kv_bits": 8, "kv_group_size": 32}


@pytest.fixture
def packed(start, folder_of):
    """An engine whose caches are packed; more limits as given."""

    def make(bits=8, **limits):
        watched = start(chunk_tokens=32, **limits)
        wide = folder_of("qwen3", name="wide", head_dim=32)
        watched.load(msgspec.structs.replace(wide, kv_bits=bits, kv_group_size=32))
        return watched

    return make


@pytest.mark.parametrize(("bits", "error"), [(8, 0.01), (4, 0.15)])
def test_what_is_unpacked_is_what_was_packed(bits, error):
    values = mx.random.normal((2, 3, 5, 64), key=mx.random.key(0))
    packing = Packing(bits, 32)
    codes, scales, biases = packing.unpack(packing.pack(values), mx.float32)
    again = mx.dequantize(codes, scales, biases, group_size=32, bits=bits)
    assert again.shape == values.shape
    assert mx.abs(again - values).mean() < error


def test_rows_of_any_length_say_what_they_say_alone(packed):
    watched = packed(prefix_bytes=0)
    prompts = [SYSTEM[:3], SYSTEM[:31], SYSTEM, SYSTEM * 2]
    alone = [watched.say(prompt, max_tokens=8) for prompt in prompts]
    jobs = [watched.submit(prompt, max_tokens=8) for prompt in prompts]
    assert [watched.tokens(job) for job in jobs] == alone


def test_a_packed_conversation_is_reused_also_after_a_restart(packed, tmp_path):
    reusing, plain = packed(disk_folder=tmp_path), packed(prefix_bytes=0)
    prompt, kept = list(SYSTEM), 0
    for turn in range(5):
        if turn == 3:
            reusing.engine.close(30)
            reusing = packed(disk_folder=tmp_path)
        prompt = [*prompt, 258, *range(turn, turn + 9)]
        job = reusing.submit(prompt, max_tokens=8)
        said = reusing.tokens(job)
        assert said == plain.say(prompt, max_tokens=8)
        assert reusing.ending(job).cached >= kept
        prompt = [*prompt, *said]
        kept = len(prompt)


def test_a_token_takes_less_than_a_third_of_float32(folder_of):
    """3.2 times less than float32 at 8 bits and groups of 32: 1 byte and a quarter a value."""
    wide = folder_of("qwen3", name="wide", head_dim=32)
    plain = read_model(wide).footprint
    small = read_model(msgspec.structs.replace(wide, **EIGHT)).footprint
    assert plain.kv_per_token / small.kv_per_token == pytest.approx(3.2)


def test_the_pocket_model_says_the_same_with_eight_bits(start):
    pocket = read_catalog(PACKAGED_CATALOG).resolve("pocket")
    answers = []
    for bits in (None, 8):
        watched = start(prefix_bytes=0)
        watched.load(msgspec.structs.replace(pocket, kv_bits=bits, kv_group_size=32))
        asked = ("What is the capital of France?", "Count from 1 to 20.", "What is 7 plus 5?")
        prompts = [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in asked]
        answers.append([watched.say(prompt, max_tokens=40) for prompt in prompts])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["gpt_oss", "qwen3_next"])
def test_windows_and_states_are_not_packed_and_the_refusal_says_so(folder_of, kind):
    with pytest.raises(LoadFailed, match="cannot have kv_bits"):
        read_model(msgspec.structs.replace(folder_of(kind), **EIGHT))


def test_heads_that_a_group_does_not_divide_are_refused_by_name(folder_of):
    with pytest.raises(LoadFailed, match=r"kv_group_size = 64.*smaller group"):
        read_model(msgspec.structs.replace(folder_of(), kv_bits=8))


def test_a_plain_cache_stays_plain(folder_of):
    network = read_model(folder_of()).network
    assert not hasattr(network, "make_cache")
    assert not hasattr(KVCache(), "bits")
