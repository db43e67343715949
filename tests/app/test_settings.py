"""Settings: one Struct, read from flags and environment."""

import argparse
from pathlib import Path

import msgspec
import pytest

from mlx_responses.app.settings import (
    CONFIG_DIR,
    GROUPS,
    Settings,
    SettingsError,
    add_flags,
    read_settings,
)


def test_a_flag_beats_an_environment_variable_beats_the_default():
    assert read_settings({}, {}).port == 8642
    assert read_settings({}, {"MLX_RESPONSES_PORT": "1"}).port == 1
    assert read_settings({"port": "2"}, {"MLX_RESPONSES_PORT": "1"}).port == 2


def test_values_get_the_type_of_their_field():
    flags = {"models": "~/m.toml", "drain_seconds": "0.5", "unknown_fields": "refuse"}
    settings = read_settings(flags, {})
    assert settings.models == Path.home() / "m.toml"
    assert settings.drain_seconds == 0.5
    assert settings.unknown_fields == "refuse"


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"port": "abc"}, {}, "port: must be 0..65535, got 'abc' (from --port)"),
        ({}, {"MLX_RESPONSES_PORT": "70000"}, "got '70000' (from MLX_RESPONSES_PORT)"),
        ({"host": ""}, {}, "host: must be a name"),
        ({"model": ""}, {}, "model: must be a name"),
        ({"data_dir": ""}, {}, "data_dir: must be a path, got '' (from --data-dir)"),
        ({"unknown_fields": "x"}, {}, "unknown_fields: must be accept or refuse"),
        ({"max_turns": "1.5"}, {}, "max_turns: must be a whole number of at least 1"),
        ({"heartbeat_seconds": "nan"}, {}, "must be a number of at least 0.01"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_value_and_source(flags, environment, message):
    with pytest.raises(SettingsError) as refused:
        read_settings(flags, environment)
    assert message in str(refused.value)


def test_help_shows_every_field_with_its_flag_and_default_under_a_heading():
    parser = argparse.ArgumentParser(usage="serve [--FLAG VALUE ...]")
    add_flags(parser)
    shown = " ".join(parser.format_help().split())
    for field in msgspec.structs.fields(Settings):
        assert f"--{field.name.replace('_', '-')} " in shown
        assert field.default in (None, "") or f"default {field.default}" in shown
    assert "least level logged (debug, info, warning, error); default info" in shown
    assert all(f"{title}:" in shown for title in GROUPS)
    assert len(parser.format_help().splitlines()) < 105


def test_every_heading_of_the_help_names_fields_that_there_are():
    fields = {field.name for field in msgspec.structs.fields(Settings)}
    assert {name for names in GROUPS.values() for name in names} <= fields


def configured(folder, text):
    path = folder / "config.toml"
    path.write_text(text)
    return {"MLX_RESPONSES_CONFIG": str(path)}


def test_a_config_file_beats_the_default_and_is_beaten_by_the_variable_and_the_flag(tmp_path):
    known = configured(tmp_path, 'port = 3\ndata_dir = "~/d"\ndrain_seconds = 1\n')
    assert read_settings({}, known).port == 3
    assert read_settings({}, known).data_dir == Path.home() / "d"
    assert read_settings({}, known).drain_seconds == 1.0
    assert read_settings({}, {**known, "MLX_RESPONSES_PORT": "2"}).port == 2
    assert read_settings({"port": "1"}, {**known, "MLX_RESPONSES_PORT": "2"}).port == 1


def test_a_mistake_in_the_file_is_told_also_where_a_flag_wins(tmp_path):
    known = configured(tmp_path, 'port = "x"\n')
    with pytest.raises(SettingsError, match="got 'x' "):
        read_settings({"port": "1"}, known)


def test_the_flag_names_another_config_file_than_the_variable(tmp_path):
    known = configured(tmp_path, "port = 3\n")
    other = tmp_path / "other.toml"
    other.write_text("port = 4\n")
    assert read_settings({"config": str(other)}, known).port == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n# why\nprot = 1\n", "config.toml:3: unknown setting 'prot'; known: host, port, "),
        ("\nport = 70000\n", "port: must be 0..65535, got 70000 (from "),
        ("\nport = 70000\n", "config.toml:2)"),
        ("port = true\n", "port: must be 0..65535, got True"),
        ("port = \n", "config.toml: Invalid value (at line 1"),
        ("[serve]\nport = 1\n", "config.toml:1: unknown setting 'serve'"),
    ],
)
def test_a_mistake_in_the_config_file_is_named_with_its_line(text, message, tmp_path):
    with pytest.raises(SettingsError) as refused:
        read_settings({}, configured(tmp_path, text))
    assert message in str(refused.value)


def test_a_config_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read: No such file"):
        read_settings({"config": str(tmp_path / "none.toml")}, {})


def test_the_tests_see_nobodys_own_settings():
    assert not (CONFIG_DIR / "config.toml").exists()
    assert str(CONFIG_DIR).startswith("/dev/null")
