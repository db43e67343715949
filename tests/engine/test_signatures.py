"""What batch.py, layers.py and disk.py of the engine use of mlx-lm is still spelled so.

Its batching names have changed in four releases of a year; the pin in pyproject.toml is narrow, and
moving it begins here.
"""

import inspect

import pytest
from mlx_lm.generate import (
    BatchGenerator,
    GenerationBatch,
    PromptProcessingBatch,
    StopSequences,
)
from mlx_lm.models import cache


def parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (
            BatchGenerator.__init__,
            "self model max_tokens stop_tokens sampler logits_processors completion_batch_size "
            "prefill_batch_size prefill_step_size max_kv_size stream",
        ),
        (
            BatchGenerator.insert_segments,
            "self segments max_tokens caches all_tokens samplers logits_processors stop_sequences",
        ),
        (BatchGenerator.remove, "self uids return_prompt_caches"),
        (BatchGenerator.extract_cache, "self uids"),
        (
            GenerationBatch.__init__,
            "self model uids inputs prompt_cache tokens samplers fallback_sampler "
            "logits_processors stop_sequences max_tokens",
        ),
        (GenerationBatch._step, "self"),
        (GenerationBatch.extend, "self batch"),
        (GenerationBatch.filter, "self keep"),
        (PromptProcessingBatch.generate, "self tokens"),
        (PromptProcessingBatch.empty, "model fallback_sampler prefill_step_size"),
        (StopSequences.__init__, "self stop_sequences"),
        (cache.make_prompt_cache, "model max_kv_size"),
        (cache.save_prompt_cache, "file_name cache metadata"),
        (cache.load_prompt_cache, "file_name return_metadata"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_parameters_are_those_we_pass(function, names):
    assert parameters(function) == names.split()


def test_what_a_step_hands_back_has_the_fields_we_read():
    progress = PromptProcessingBatch.Response.__dataclass_fields__
    assert {"uid", "progress", "end_of_segment", "end_of_prompt"} <= set(progress)
    said = GenerationBatch.Response.__dataclass_fields__
    assert {"uid", "token", "logprobs", "finish_reason", "prompt_cache", "all_tokens"} <= set(said)


@pytest.mark.parametrize(
    "name",
    ["_next_tokens", "_next_logprobs", "samplers", "tokens", "prompt_cache", "uids"],
)
def test_the_state_that_our_batch_shares_with_mlx_lm_exists(name):
    assert f"self.{name} =" in inspect.getsource(GenerationBatch.__init__)


@pytest.mark.parametrize("name", ["_prompt_batch", "_generation_batch", "_old_wired_limit"])
def test_the_parts_that_we_replace_exist(name):
    assert f"self.{name} =" in inspect.getsource(BatchGenerator.__init__)


def test_a_plain_cache_is_its_keys_values_and_offset():
    assert {"keys", "values", "offset"} <= vars(cache.KVCache()).keys()
    assert "cache" in vars(cache.ArraysCache(1))
    assert "caches" in vars(cache.CacheList())
