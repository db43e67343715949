"""models.toml -> one frozen table of models; names and aliases -> `ModelSpec`.

Reads files, never weights; does not know what is loaded. A mistake in the file is an error that
names file, line, table and key. A name may be an entry, its `path`, an alias or a local folder with
a config.json; a `path` may also be a repository in the local hub cache (`engine/load.py`).
"""

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mlx_responses.errors import ModelNotFound, RequestError

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

PACKAGED_CATALOG = Path(__file__).parent / "models.toml"
EMBEDDED = "embedded:"
"""Prefix of a `path` inside this package, so that the wheel needs no other files."""


MODEL_FILES = (
    "*.json",
    "*.safetensors",
    "*.jinja",
    "*.txt",
    "*.jsonl",
    "tokenizer.model",
    "*.tiktoken",
)
"""What of a hub repository is a model, as patterns. No *.py: nothing of a repository is run."""

ALIKE = 0.7
"""How much of two names must be the same for one to be guessed from the other."""
LONGEST_GUESSED = 100
"""Characters: comparing takes their square, and a client may send more."""

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class SamplingDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model card's advice, used where a request says nothing. The bounds are those of a job."""

    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] = 1.0
    top_p: Share = 1.0
    top_k: Annotated[int, Meta(ge=0)] = 0
    min_p: Share = 0.0
    repetition_penalty: Annotated[float, Meta(ge=0.01, le=10.0)] = 1.0


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model as the catalog describes it.

    path            a local folder, `embedded:NAME`, or a hub repository `org/name`
    dialect         the name of a reader in `dialects/`, or "auto"
    context_window  tokens of prompt and answer together
    thinking        efforts that switch thinking on; empty: the model cannot think
    default_effort  used when a request names none
    draft           the path of a smaller model of the same vocabulary that guesses what this one
                    says, so that it answers faster; in a models.toml also the name of an entry
    store           whether responses are kept when a request does not say
    size_gb         of its files, in units of 10^9 bytes; None: nobody said
    quantisation    how the weights are packed, in words
    memory_gb       of the smallest Mac that runs it with room for a context; 0: any
    kv_bits         keys and values are kept in so many bits each, for long contexts; None: in all
    kv_group_size   how many of them share a scale, where they are packed
    pinned          once in memory it stays there, however long it is idle and whoever needs room
    """

    name: str
    path: str
    dialect: str = "auto"
    context_window: Positive | None = None
    thinking: tuple[Effort, ...] = ()
    default_effort: Effort = "none"
    draft: str | None = None
    store: bool = True
    pinned: bool = False
    size_gb: Annotated[float, Meta(gt=0)] | None = None
    quantisation: str = ""
    memory_gb: Annotated[int, Meta(ge=0)] = 0
    kv_bits: Literal[4, 8] | None = None
    kv_group_size: Literal[32, 64, 128] = 64
    sampling: SamplingDefaults = SamplingDefaults()
    description: str = ""
    created: int = 0

    @property
    def folder(self) -> Path | None:
        """The local folder, if the path is one (embedded models are)."""
        if self.path.startswith(EMBEDDED):
            return Path(__file__).parent / self.path.removeprefix(EMBEDDED)
        folder = Path(self.path).expanduser()
        return folder if folder.is_dir() else None


class Catalog:
    """The frozen table. `default` is the model that `mlx-responses serve` loads at start."""

    def __init__(self, specs: dict[str, ModelSpec], aliases: dict[str, str]) -> None:
        self._specs = specs
        self._aliases = aliases
        self._of_path = {spec.path: name for name, spec in reversed(specs.items())}

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self._specs.values())

    @property
    def aliases(self) -> dict[str, str]:
        """Other names, each with the entry it stands for."""
        return dict(self._aliases)

    def knows(self, name: str) -> bool:
        """Whether `resolve` finds a model of that name."""
        return self._entry(name) in self._specs or _is_model_folder(name)

    def resolve(self, name: str) -> ModelSpec:
        """The model called `name`. Raises `ModelNotFound` with the names there are."""
        spec = self._specs.get(self._entry(name))
        if spec is not None:
            return spec
        if _is_model_folder(name):
            return ModelSpec(name=name, path=name)
        names = [*self._specs, *self._aliases]
        near = get_close_matches(name[:LONGEST_GUESSED], names, n=1, cutoff=ALIKE)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise ModelNotFound(
            f"The model {name!r} does not exist here.{meant} Known models: "
            f"{', '.join(names) or 'none'}.",
            param="model",
        )

    def _entry(self, name: str) -> str:
        """The entry that is meant: by its name, an alias, or the repository or folder it is of."""
        return self._aliases.get(name) or (
            name if name in self._specs else self._of_path.get(name, name)
        )


def read_catalog(path: Path, base: Catalog | None = None) -> Catalog:
    """Parse a models.toml, whose entries and aliases come in addition to those of `base`, or in
    place of those of the same name. Raises `RequestError` that names file, line, table and key.
    """
    try:
        text = path.read_text("utf-8")
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: {error}", param="models") from error
    except OSError as error:
        raise RequestError(f"{path}: cannot be read: {error.strerror}", param="models") from error
    try:
        return _read_tables(tables, base or Catalog({}, {}))
    except _Wrong as wrong:
        *table, key = wrong.keys
        where = f"{path}:{line_of(text, wrong.keys)}: " + (f"[{'.'.join(table)}] " if table else "")
        raise RequestError(f"{where}{key}: {wrong}", param="models") from wrong


class _Wrong(Exception):
    """What is wrong, and the keys that lead there; `read_catalog` adds file and line."""

    def __init__(self, keys: tuple[str, ...], why: str) -> None:
        super().__init__(why)
        self.keys = keys


def _read_tables(tables: dict[str, object], base: Catalog) -> Catalog:
    for key in tables:
        if key not in ("models", "aliases"):
            raise _Wrong((key,), "unknown key; known: models, aliases")
    specs = {spec.name: spec for spec in base}
    own = set()
    for name, table in _table(tables.get("models", {}), ("models",)).items():
        keys = ("models", name)
        fields = _fields(_table(table, keys), ModelSpec, keys)
        if "path" not in fields:
            raise _Wrong(keys, "needs a `path`")
        specs[name] = ModelSpec(**{**fields, "name": name})  # type: ignore[arg-type]  # see _fields
        own.add(name)
    specs = {name: _with_draft(spec, specs) for name, spec in specs.items()}
    aliases = {alias: target for alias, target in base.aliases.items() if alias not in own}
    for alias, target in _table(tables.get("aliases", {}), ("aliases",)).items():
        if alias in own:
            raise _Wrong(("aliases", alias), "a model has this name already")
        if not isinstance(target, str) or target not in specs:
            raise _Wrong(("aliases", alias), f"no model {target!r}; models: {', '.join(specs)}")
        aliases[alias] = target
    return Catalog(specs, aliases)


def _with_draft(spec: ModelSpec, specs: dict[str, ModelSpec]) -> ModelSpec:
    """The spec with its draft's path, where it gives the name of an entry."""
    entry = specs.get(spec.draft or "")
    if entry is None:
        return spec
    if entry.path == spec.path:
        raise _Wrong(("models", spec.name, "draft"), "a model cannot guess for itself")
    return msgspec.structs.replace(spec, draft=entry.path)


def _table(value: object, keys: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _Wrong(keys, "must be a table")
    return value


def _fields(
    table: Mapping[str, object], kind: type[msgspec.Struct], keys: tuple[str, ...]
) -> dict[str, object]:
    """The table's values, each converted to the type of its field in `kind`."""
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    types.pop("name", None)  # given by the table's own name
    fields: dict[str, object] = {}
    for key, value in table.items():
        here = (*keys, key)
        if key not in types:
            raise _Wrong(here, f"unknown key; known: {', '.join(types)}")
        if types[key] is SamplingDefaults:
            value = _fields(_table(value, here), SamplingDefaults, here)
        try:
            fields[key] = msgspec.convert(value, types[key])
        except msgspec.ValidationError as error:
            raise _Wrong(here, str(error)) from error
    return fields


def line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line on which the statement begins that brings `keys` into the document."""
    lines = text.splitlines(keepends=True)
    begin = 1
    for count in range(1, len(lines) + 1):
        try:
            found: object = tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a value that goes on
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            break
        begin = count + 1
    return begin


def _is_model_folder(name: str) -> bool:
    try:
        return bool(name) and (Path(name).expanduser() / "config.json").is_file()
    except (OSError, RuntimeError):  # too long, not permitted, no such user's home
        return False
