"""Settings: one Struct, read from flags and environment."""

import argparse
from pathlib import Path

import msgspec
import pytest

from mlx_responses.app.settings import Settings, SettingsError, add_flags, read_settings


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


def test_help_shows_every_field_with_its_flag_variable_and_default():
    parser = argparse.ArgumentParser()
    add_flags(parser)
    shown = " ".join(parser.format_help().split())
    for field in msgspec.structs.fields(Settings):
        assert f"--{field.name.replace('_', '-')} " in shown
        assert f"(MLX_RESPONSES_{field.name.upper()}" in shown
        assert field.default is None or f"default {field.default})" in shown
