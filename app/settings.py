"""Every setting of the server, once: flags, environment variables, the keys of config.toml, --help
and checks come of it.

The only file that reads `os.environ`. Does not know what a setting is used for.
"""

import argparse
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

import msgspec
import platformdirs
from msgspec import Meta, inspect

from mlx_responses.catalog import line_of

ENVIRONMENT_PREFIX = "MLX_RESPONSES_"
CONFIG_VARIABLE = f"{ENVIRONMENT_PREFIX}CONFIG"
DATA_DIR = platformdirs.user_data_path("mlx-responses", appauthor=False)
CONFIG_DIR = platformdirs.user_config_path("mlx-responses", appauthor=False)
LOG_DIR = platformdirs.user_log_path("mlx-responses", appauthor=False)
CONFIG = "config.toml"
LOG = "server.log"
DATABASE = "responses.db"


class SettingsError(Exception):
    """A setting has no use as given; the message names it, the value and where it came from."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What `mlx-responses serve` can be told: flag, else environment variable, else config.toml."""

    host: Annotated[str, Meta(min_length=1, description="address to listen on")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="port to listen on; 0 picks a free one")
    ] = 8642
    allowed_hosts: Annotated[
        str,
        Meta(description="names this server answers to beside localhost and addresses: a, b"),
    ] = ""
    allowed_origins: Annotated[
        str,
        Meta(description="pages that may use it from a browser, like http://localhost:3000, ..."),
    ] = ""
    loopback_key: Annotated[
        Literal["optional", "required"],
        Meta(description="whether programs of this machine need an API key too"),
    ] = "optional"
    tls_cert: Annotated[
        Path | None, Meta(description="certificate file (PEM); with --tls-key it serves https")
    ] = None
    tls_key: Annotated[Path | None, Meta(description="the certificate's private key (PEM)")] = None
    model: Annotated[
        str, Meta(min_length=1, description="model to load at start, a name from models.toml")
    ] = "pocket"
    models: Annotated[
        Path | None,
        Meta(
            description="models.toml to use alone, in place of the packaged one and the user's own"
        ),
    ] = None
    data_dir: Annotated[
        Path | None,
        Meta(description="where data is kept, in place of the platform's data directory"),
    ] = None
    retention_days: Annotated[
        int, Meta(ge=0, description="days that responses are kept; 0 keeps none")
    ] = 30
    store_bytes: Annotated[
        int,
        Meta(ge=2**20, description="size of the database beyond which the oldest responses go"),
    ] = 4 * 2**30
    kv_bytes: Annotated[
        int,
        Meta(ge=0, description="size of the KV caches kept on disk for chains; 0 keeps none"),
    ] = 16 * 2**30
    unknown_fields: Annotated[
        Literal["accept", "refuse"],
        Meta(
            description="request fields nobody knows: accept them without effect and name them "
            "in x-ignored-fields, or refuse them with 400"
        ),
    ] = "accept"
    max_body_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            description="largest request body or WebSocket message, in bytes; a larger one gets "
            "413, or its socket closed with 1009",
        ),
    ] = 32 * 1024 * 1024
    websocket: Annotated[
        Literal["on", "off"],
        Meta(
            description="answer WebSocket upgrades, or refuse them with 426: clients then use HTTP"
        ),
    ] = "on"
    fetch_urls: Annotated[
        Literal["on", "off"],
        Meta(
            description="fetch files that clients name by URL, from the public internet alone; "
            "off refuses them"
        ),
    ] = "off"
    fetch_hosts: Annotated[
        str, Meta(description="hosts that files may be fetched from: a, b; without any, all public")
    ] = ""
    max_turns: Annotated[
        int, Meta(ge=1, description="turns in flight at once, waiting ones included; more get 429")
    ] = 256
    max_connections: Annotated[
        int,
        Meta(
            ge=1,
            description="connections open at once, WebSockets included; more get 503 with "
            "retry-after",
        ),
    ] = 1024
    reader_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            description="how long a client may leave unread what was sent; then it is cut off, "
            "and its turn cancelled",
        ),
    ] = 120.0
    memory_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="memory for weights, KV caches and work; 0: what this machine can give",
        ),
    ] = 0
    wired_bytes: Annotated[
        int,
        Meta(ge=0, description="memory that Metal keeps resident; 0 leaves that to the system"),
    ] = 0
    idle_unload_seconds: Annotated[
        float,
        Meta(ge=0, description="idle time after which a model leaves memory; 0 keeps it"),
    ] = 0.0
    sharding: Annotated[
        Literal["off", "tensor", "pipeline"],
        Meta(description="how the processes of mlx.launch share each model"),
    ] = "off"
    stall_seconds: Annotated[
        float,
        Meta(ge=0.01, description="longest wait of running streams while other prompts are read"),
    ] = 0.2
    stuck_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="most seconds of an engine's step; then its turns fail, and the server "
            "exits with 75 to be started again; 0: any",
        ),
    ] = 180.0
    heartbeat_seconds: Annotated[
        float,
        Meta(ge=0.01, description="silence after which a stream repeats response.in_progress"),
    ] = 15.0
    drain_seconds: Annotated[
        float, Meta(ge=0, description="how long turns may go on after a signal to stop")
    ] = 5.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="least level logged")
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], Meta(description="lines for people, or a JSON object a line")
    ] = "text"
    log_file: Annotated[
        Path | None,
        Meta(
            description="file to log into, in place of server.log in --data-dir or else in the "
            "platform's log directory"
        ),
    ] = None
    log_stderr: Annotated[
        Literal["on", "off"], Meta(description="whether the log goes to standard error as well")
    ] = "on"

    @property
    def data_folder(self) -> Path:
        """`data_dir`, or the platform's own place for it."""
        return self.data_dir or DATA_DIR

    @property
    def database(self) -> Path:
        """Responses, their chains and events, conversations."""
        return self.data_folder / DATABASE

    @property
    def fetch_from(self) -> list[str]:
        """The hosts of `fetch_hosts`."""
        return [host.strip() for host in self.fetch_hosts.split(",") if host.strip()]

    @property
    def log_path(self) -> Path:
        """Where the log is written: by whoever serves, read by `logs`."""
        return self.log_file or (self.data_dir or LOG_DIR) / LOG


GROUPS = {
    "where it listens": ("host", "port", "websocket", "tls_cert", "tls_key"),
    "who may use it": ("allowed_hosts", "allowed_origins", "loopback_key"),
    "models": ("model", "models", "memory_bytes", "wired_bytes", "idle_unload_seconds", "sharding"),
    "what is kept": ("data_dir", "retention_days", "store_bytes", "kv_bytes"),
    "requests": (
        "unknown_fields",
        "fetch_urls",
        "fetch_hosts",
        "max_body_bytes",
        "max_turns",
        "max_connections",
        "reader_seconds",
        "heartbeat_seconds",
        "stall_seconds",
    ),
    "the process": (
        "drain_seconds",
        "stuck_seconds",
        "log_level",
        "log_format",
        "log_file",
        "log_stderr",
    ),
}
"""The fields as --help shows them; one that is named nowhere comes under `MORE`."""
MORE = "more"


def environment() -> Mapping[str, str]:
    """The process's variables, for what is not a setting: where other programs keep their files."""
    return os.environ


class SettingRow(msgspec.Struct, frozen=True):
    """One setting as documentation shows it."""

    name: str
    flag: str
    variable: str
    default: str
    description: str


def setting_rows() -> list[SettingRow]:
    """Every setting, in the Struct's order."""
    return [
        SettingRow(
            field.name,
            _flag(field.name),
            _variable(field.name),
            "" if field.default is None else str(field.default),
            _meta(field)[0] + _choices(field),
        )
        for field in msgspec.structs.fields(Settings)
    ]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """`--config`, and one `--flag` for each field; values stay text, `read_settings` types them."""
    add_config(parser)
    groups = {name: title for title, names in GROUPS.items() for name in names}
    made = {title: parser.add_argument_group(title) for title in [*GROUPS, MORE]}
    for field in msgspec.structs.fields(Settings):
        description, _ = _meta(field)
        default = "" if field.default in (None, "") else f"; default {field.default}"
        made[groups.get(field.name, MORE)].add_argument(
            _flag(field.name),
            dest=field.name,
            metavar=_metavar(field.name),
            help=f"{description}{_choices(field)}{default}",
        )


def add_config(parser: argparse._ActionsContainer) -> None:
    """`--config` alone, for verbs that are told nothing else of the server."""
    parser.add_argument(
        "--config", metavar="FILE", help=f"file of settings; default {CONFIG_DIR / CONFIG}"
    )


def read_settings(
    flags: Mapping[str, str | None], environment: Mapping[str, str] = os.environ
) -> Settings:
    """The settings that flags, environment and config file make, in this order.

    Raises `SettingsError` for a bad value, and for a key of the file that is no setting.
    """
    path = _config_path(flags, environment)
    kept = _read_config(path) if path is not None else {}
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        name, variable = field.name, _variable(field.name)
        raw = flags.get(name)
        if name in kept:  # a file with a mistake is refused also where something else wins
            values[name] = _convert(field, *kept[name])
        if raw is not None:
            values[name] = _convert(field, raw, _flag(name))
        elif variable in environment:
            values[name] = _convert(field, environment[variable], variable)
    return Settings(**values)  # type: ignore[arg-type]  # each value was converted to its field's type


def _config_path(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Path | None:
    """The file that was named, or the user's own if there is one."""
    named = flags.get("config") or environment.get(CONFIG_VARIABLE)
    own = CONFIG_DIR / CONFIG
    return Path(named).expanduser() if named else own if own.is_file() else None


def _read_config(path: Path) -> dict[str, tuple[object, str]]:
    """Each key's value, and where it stands."""
    try:
        text = path.read_text("utf-8")
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}. Mend that line, or move the file away.") from error
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read: {error.strerror}. Name another with --config."
        ) from error
    kept = {key: (value, f"{path}:{line_of(text, (key,))}") for key, value in values.items()}
    known = [field.name for field in msgspec.structs.fields(Settings)]
    for key, (_, where) in kept.items():
        if key not in known:
            raise SettingsError(f"{where}: unknown setting {key!r}; known: {', '.join(known)}.")
    return kept


def _convert(field: msgspec.structs.FieldInfo, raw: object, source: str) -> object:
    try:
        return msgspec.convert(raw, field.type, strict=not isinstance(raw, str), dec_hook=_path)
    except msgspec.ValidationError as error:
        _, expected = _meta(field)
        message = f"{field.name}: must be {expected}, got {raw!r} (from {source})"
        raise SettingsError(message) from error


def _path(kind: type, raw: object) -> object:
    if kind is Path and isinstance(raw, str) and raw:
        return Path(raw).expanduser()
    raise ValueError(f"not a {kind.__name__}")


def _meta(field: msgspec.structs.FieldInfo) -> tuple[str, str]:
    """A field's description, and what its values must be, in words."""
    kind = inspect.type_info(field.type)
    description = ""
    if isinstance(kind, inspect.Metadata):
        description = (kind.extra_json_schema or {}).get("description", "")
        kind = kind.type
    match kind:
        case inspect.IntType(ge=low, le=None):
            expected = f"a whole number of at least {low}"
        case inspect.IntType(ge=low, le=high):
            expected = f"{low}..{high}"
        case inspect.FloatType(ge=low):
            expected = f"a number of at least {low:g}"
        case inspect.LiteralType(values=values):
            expected = " or ".join(str(value) for value in values)
        case inspect.StrType():
            expected = "a name"
        case _:
            expected = "a path"
    return description, expected


def _choices(field: msgspec.structs.FieldInfo) -> str:
    """The words to choose from, where a setting has such."""
    kind = get_args(field.type)[0]
    return f" ({', '.join(get_args(kind))})" if get_origin(kind) is Literal else ""


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def _metavar(name: str) -> str:
    return name.rpartition("_")[2].upper()
