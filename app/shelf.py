"""Which models' files are on this machine, and what can be told of them without loading any."""

from pathlib import Path

import msgspec

from mlx_responses.catalog import ModelSpec

from .hub import Hub


class Shelved(msgspec.Struct, frozen=True, kw_only=True):
    """A model's files: where, how large, how its weights are packed."""

    folder: Path
    size_bytes: int
    quantisation: str
    context_window: int | None


class _Quantisation(msgspec.Struct):
    bits: int | None = None
    mode: str = "affine"


class _TextConfig(msgspec.Struct):
    max_position_embeddings: int | None = None


class _Config(msgspec.Struct):
    quantization: _Quantisation | None = None
    max_position_embeddings: int | None = None
    text_config: _TextConfig | None = None


def find(spec: ModelSpec, hub: Hub) -> Path | None:
    """The folder of a model that is here; None if it would have to be pulled."""
    return spec.folder or hub.find(spec.path)


def look(folder: Path) -> Shelved:
    """What config.json and the files' sizes tell."""
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Config)
    except (OSError, msgspec.DecodeError):
        config = _Config()  # loading it will say what is wrong; a list of models must not fail
    packed = config.quantization
    text = config.text_config or _TextConfig()
    return Shelved(
        folder=folder,
        size_bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        quantisation=_packing(packed) if packed is not None else "none",
        context_window=config.max_position_embeddings or text.max_position_embeddings,
    )


def _packing(packed: _Quantisation) -> str:
    return packed.mode if packed.mode != "affine" or packed.bits is None else f"{packed.bits}-bit"
