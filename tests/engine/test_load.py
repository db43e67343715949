"""Loading from local files: what comes out, what is said when it cannot."""

import json
import shutil

import mlx.core as mx
import pytest
import tiny
from mlx import nn
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model

from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.load import DEFAULT_CONTEXT_WINDOW, find_files, read_model
from mlx_responses.errors import LoadFailed

ON_CPU = pytest.mark.skipif(mx.metal.is_available(), reason="Metal keeps a model's own type")


def saved(spec, folder, change):
    """The model of `spec`, changed in memory and written to `folder`."""
    shutil.copytree(spec.path, folder, dirs_exist_ok=True)
    network, config = load_model(folder)
    config |= change(network) or {}
    weights = dict(tree_flatten(network.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    return ModelSpec(name="changed", path=str(folder))


def quantised(network):
    nn.quantize(network, group_size=32, bits=8)
    return {"quantization": {"group_size": 32, "bits": 8}}


def halved(network):
    network.set_dtype(mx.bfloat16)


@ON_CPU
@pytest.mark.parametrize("change", [halved, quantised])
def test_on_the_cpu_weights_become_float32_and_say_nearly_the_same(folder_of, tmp_path, change):
    plain = read_model(folder_of()).network
    read = read_model(saved(folder_of(), tmp_path, change))
    arrays = [array for _, array in tree_flatten(read.network.parameters())]
    assert {array.dtype for array in arrays} == {mx.float32}
    assert read.loaded.weights_bytes == sum(array.nbytes for array in arrays)
    prompt = mx.array([[1, 2, 3]])
    difference = mx.abs(mx.softmax(read.network(prompt)) - mx.softmax(plain(prompt)))
    assert difference.max().item() < 0.05


def test_what_is_told_of_a_model_comes_from_its_files(folder_of):
    loaded = read_model(folder_of()).loaded
    assert (loaded.vocab_size, loaded.context_window) == (264, 4096)
    assert loaded.tokenizer.vocab_size == 264
    assert loaded.model_type == "qwen3"
    assert loaded.chat_template == tiny.TEMPLATE


def test_the_catalog_may_shorten_the_context_window(folder_of):
    spec = ModelSpec(name="short", path=folder_of().path, context_window=100)
    assert read_model(spec).loaded.context_window == 100


def test_a_config_without_a_length_gets_the_default(tmp_path):
    spec = tiny.write_model(tmp_path, "gpt_oss", max_position_embeddings=None)
    assert read_model(spec).loaded.context_window == DEFAULT_CONTEXT_WINDOW


@pytest.mark.parametrize(
    ("missing", "named"),
    [("config.json", "config"), ("model.safetensors", "safetensors"), ("tokenizer.json", "token")],
)
def test_a_missing_file_is_named(tmp_path, missing, named):
    spec = tiny.write_model(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(LoadFailed, match=named):
        read_model(spec)


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("model.safetensors", "not weights", "model.safetensors"),
        ("config.json", '{"model_type": "never-heard-of"}', "never-heard-of"),
        ("config.json", "{", "config.json"),
        ("tokenizer.json", "{}", "tokenizer.json"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_load_failure(tmp_path, file, content, named):
    spec = tiny.write_model(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(LoadFailed, match=named):
        read_model(spec)


def test_a_repository_that_is_not_downloaded_is_not_fetched():
    with pytest.raises(LoadFailed, match=r"nobody/nothing.*mlx-responses pull far"):
        find_files(ModelSpec(name="far", path="nobody/nothing"))


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1000])


def with_a_mad_header(path):
    path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:])


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [cut_short, with_a_mad_header, emptied])
@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_file_is_a_load_failure_that_names_the_model(tmp_path, spoil, file):
    spec = tiny.write_model(tmp_path)
    spoil(tmp_path / file)
    with pytest.raises(LoadFailed, match=str(tmp_path)) as failed:
        read_model(spec)
    assert failed.value.code == "model_load_failed"


@pytest.mark.parametrize("config", ["[]", "null", '{"model_type": "qwen3"}', '"qwen3"', "\x00"])
def test_a_config_of_anything_else_is_a_load_failure(tmp_path, config):
    spec = tiny.write_model(tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(LoadFailed, match=str(tmp_path)):
        read_model(spec)


def test_weights_of_another_shape_are_a_load_failure(tmp_path):
    spec = tiny.write_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 32}))
    with pytest.raises(LoadFailed, match="shape"):
        read_model(spec)
