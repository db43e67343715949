"""models.toml and the names that clients may say."""

import os
import re
from pathlib import Path

import pytest

from mlx_responses.catalog import PACKAGED_CATALOG, SamplingDefaults, read_catalog
from mlx_responses.dialects import DIALECTS
from mlx_responses.errors import ModelNotFound, RequestError

GOOD = """\
# Two models and a nickname.
[models.small]
path = "embedded:pocket"
dialect = "qwen"
context_window = 32768
thinking = ["medium", "high"]

[models.small.sampling]
temperature = 0.5
top_k = 20

[models."org/Big-4bit"]
path = "org/Big-4bit"

[aliases]
gpt-5 = "small"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text, "utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(RequestError) as caught:
        read_catalog(write(folder, text))
    assert caught.value.param == "models"
    return caught.value.message.replace(str(folder) + os.sep, "")


def test_a_table_becomes_a_frozen_spec_with_defaults_for_what_it_leaves_out(tmp_path):
    small, big = read_catalog(write(tmp_path, GOOD))
    assert (small.name, small.dialect, small.context_window) == ("small", "qwen", 32768)
    assert small.thinking == ("medium", "high")
    assert small.sampling == SamplingDefaults(temperature=0.5, top_k=20)
    assert (big.name, big.dialect, big.default_effort) == ("org/Big-4bit", "auto", "none")
    with pytest.raises(AttributeError):
        small.path = "elsewhere"


def test_a_draft_is_a_path_or_another_entry(tmp_path):
    text = GOOD.replace('path = "org/Big-4bit"', 'path = "org/Big-4bit"\ndraft = "{}"')
    assert read_catalog(write(tmp_path, GOOD)).resolve("org/Big-4bit").draft is None
    for draft, path in (("small", "embedded:pocket"), ("org/Tiny", "org/Tiny")):
        catalog = read_catalog(write(tmp_path, text.format(draft)))
        assert catalog.resolve("org/Big-4bit").draft == path
    assert refusal(tmp_path, text.format("org/Big-4bit")) == (
        "models.toml:14: [models.org/Big-4bit] draft: a model cannot guess for itself"
    )


def test_an_alias_stands_for_its_model(tmp_path):
    catalog = read_catalog(write(tmp_path, GOOD))
    assert catalog.resolve("gpt-5") is catalog.resolve("small")
    assert catalog.knows("gpt-5")
    assert catalog.aliases == {"gpt-5": "small"}


def test_a_repository_stands_for_the_first_entry_that_is_of_it(tmp_path):
    text = '[models.one]\npath = "org/It"\n[models.two]\npath = "org/It"\n'
    catalog = read_catalog(write(tmp_path, text))
    assert catalog.knows("org/It")
    assert catalog.resolve("org/It").name == "one"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("smal", " Did you mean 'small'?"), ("gpt5", " Did you mean 'gpt-5'?"), ("other", "")],
)
def test_a_name_that_is_nearly_one_is_guessed(name, meant, tmp_path):
    with pytest.raises(ModelNotFound) as caught:
        read_catalog(write(tmp_path, GOOD)).resolve(name)
    assert f"does not exist here.{meant} Known models: small" in caught.value.message


def test_the_table_of_aliases_cannot_be_changed_from_outside(tmp_path):
    catalog = read_catalog(write(tmp_path, GOOD))
    catalog.aliases["gpt-5"] = "org/Big-4bit"
    assert catalog.resolve("gpt-5").name == "small"


def test_an_unknown_model_is_refused_with_the_names_there_are(tmp_path):
    catalog = read_catalog(write(tmp_path, GOOD))
    assert not catalog.knows("gpt-9")
    with pytest.raises(ModelNotFound, match="small, org/Big-4bit, gpt-5") as caught:
        catalog.resolve("gpt-9")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    assert caught.value.param == "model"


def test_a_folder_with_a_config_is_a_model_by_its_path(tmp_path):
    catalog = read_catalog(write(tmp_path, GOOD))
    folder = tmp_path / "my-model"
    folder.mkdir()
    assert not catalog.knows(str(folder))
    (folder / "config.json").write_text("{}")
    assert catalog.knows(str(folder))
    spec = catalog.resolve(str(folder))
    assert (spec.name, spec.folder) == (str(folder), folder)


@pytest.mark.parametrize("name", ["", "~nobody-here/x", "nul\0byte", "x" * 5000, "../" * 40])
def test_an_odd_name_is_just_an_unknown_model(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    catalog = read_catalog(write(tmp_path, GOOD))
    assert not catalog.knows(name)
    with pytest.raises(ModelNotFound):
        catalog.resolve(name)


def test_a_folder_is_known_only_for_paths_on_this_machine(tmp_path):
    small, big = read_catalog(write(tmp_path, GOOD))
    assert small.folder == PACKAGED_CATALOG.parent / "pocket"
    assert big.folder is None


def test_a_file_adds_to_the_table_it_is_read_over_and_replaces_by_name(tmp_path):
    base = read_catalog(write(tmp_path, GOOD))
    own = '[models.small]\npath = "mine"\n[models.gpt-5]\npath = "x"\ndraft = "small"\n'
    catalog = read_catalog(write(tmp_path, own), base)
    assert [spec.name for spec in catalog] == ["small", "org/Big-4bit", "gpt-5"]
    assert catalog.resolve("small").path == "mine"
    assert catalog.resolve("gpt-5").draft == "mine", "a model hides an alias of the base"
    aliased = read_catalog(write(tmp_path, '[aliases]\nbig = "org/Big-4bit"\n'), base)
    assert aliased.aliases == {"gpt-5": "small", "big": "org/Big-4bit"}


BROKEN = {
    "an unknown key": (
        '[models.a]\npath = "x"\n\n# why\ntempratur = 1\n',
        "models.toml:5: [models.a] tempratur: unknown key; known: path, dialect, ",
    ),
    "an unknown key further in": (
        '[models.a]\npath = "x"\n[models.a.sampling]\ntop_q = 1\n',
        "models.toml:4: [models.a.sampling] top_q: unknown key; known: temperature, ",
    ),
    "a name, which the table has already": (
        '[models.a]\npath = "x"\nname = "b"\n',
        "models.toml:3: [models.a] name: unknown key",
    ),
    "a wrong type": (
        "[models.a]\npath = 1\n",
        "models.toml:2: [models.a] path: Expected `str`, got `int`",
    ),
    "a number out of bounds": (
        '[models.a]\npath = "x"\nsampling = { top_k = 1, temperature = 9 }\n',
        "models.toml:3: [models.a.sampling] temperature: Expected `float` <= 2.0",
    ),
    "a value over several lines": (
        '[models.a]\npath = "x"\nthinking = [\n    "high",\n    "giant",\n]\ncreated = 1\n',
        "models.toml:3: [models.a] thinking: Invalid enum value 'giant' - at `$[1]`",
    ),
    "a model without a path": (
        '[models.a]\npath = "x"\n[models.b]\ncreated = 1\n',
        "models.toml:3: [models] b: needs a `path`",
    ),
    "a table that is none": ("models = 3\n", "models.toml:1: models: must be a table"),
    "an unknown table": (
        '\n[model.a]\npath = "x"\n',
        "models.toml:2: model: unknown key; known: models, aliases",
    ),
    "an alias of nothing": (
        '[models.a]\npath = "x"\n[aliases]\nb = "c"\n',
        "models.toml:4: [aliases] b: no model 'c'; models: a",
    ),
    "an alias of an alias": (
        '[models.a]\npath = "x"\n[aliases]\nb = "a"\nc = "b"\n',
        "models.toml:5: [aliases] c: no model 'b'; models: a",
    ),
    "an alias that hides a model": (
        '[models.a]\npath = "x"\n[aliases]\na = "a"\n',
        "models.toml:4: [aliases] a: a model has this name already",
    ),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_mistake_is_named_with_file_line_table_and_key(text, message, tmp_path):
    assert refusal(tmp_path, text).startswith(message)


def test_text_that_is_no_toml_is_refused_with_its_line(tmp_path):
    assert re.fullmatch(r"models\.toml: .*line 2.*", refusal(tmp_path, "[models.a]\npath = \n"))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(RequestError, match=r"none\.toml: cannot be read: No such file"):
        read_catalog(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'[models.a]\npath = "\xe9"\n')
    with pytest.raises(RequestError, match=r"latin\.toml: .*utf-8"):
        read_catalog(tmp_path / "latin.toml")


def test_the_packaged_catalog_offers_the_embedded_model():
    pocket = read_catalog(PACKAGED_CATALOG).resolve("pocket")
    assert pocket.path == "embedded:pocket"
    assert pocket.context_window >= 32_768
    assert pocket.default_effort not in pocket.thinking


def test_the_packaged_catalog_has_models_for_every_size_of_mac():
    catalog = read_catalog(PACKAGED_CATALOG)
    assert {8, 16, 32, 64} <= {spec.memory_gb for spec in catalog}
    for spec in catalog:
        told = (spec.description, spec.size_gb, spec.quantisation, spec.context_window)
        assert all(told), spec.name
        assert spec.name == "pocket" or spec.path.startswith("mlx-community/")
        assert spec.dialect == "auto" or spec.dialect in DIALECTS, spec.name
        assert (spec.size_gb or 0) < spec.memory_gb * 0.75 or spec.name == "pocket"
        assert spec.default_effort == "none" or spec.default_effort in spec.thinking
