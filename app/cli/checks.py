"""What `doctor` looks at, a function each: settings -> a finding and its fix. Changes nothing."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import msgspec

from mlx_responses.catalog import EMBEDDED
from mlx_responses.errors import StoreFailed
from mlx_responses.store import Onlooker

from ..catalog import open_catalog
from ..hub import SPARE_BYTES, Hub
from ..listener import CannotListen, bind
from ..runfile import find_server
from ..settings import Settings, SettingsError
from ..shelf import find, look
from .answers import size

OLDEST_PYTHON = (3, 11)
MLX_SECONDS = 60
"""Importing MLX takes one; on a machine that swaps, much more."""

# Run apart: an MLX that crashes, as one for another processor does, must not take the doctor along.
MLX_PROBE = (
    "import mlx.core as mx; from importlib.metadata import version as v; "
    "print(v('mlx'), v('mlx-lm'), 'gpu' if mx.default_device() == mx.Device(mx.gpu) else 'cpu', "
    "float((mx.ones((8, 8)) @ mx.ones((8, 8))).sum()))"
)
PRODUCT_SUM = "512.0"
"""Of an 8 by 8 matrix of ones times itself."""

LOADED_SHARE = 0.75
"""Of a Mac's memory, what Metal gives to weights and caches unless it is told otherwise."""


class Finding(msgspec.Struct, frozen=True):
    """`good`; `note`: it works, but; `bad`: the server will not work so."""

    state: Literal["good", "note", "bad"]
    subject: str
    told: str
    fix: str = ""


def python(settings: Settings) -> Finding:  # noqa: ARG001  # all checks are called alike
    """Its version, and on a Mac whether it is native."""
    told = f"{platform.python_version()} ({platform.machine()}), {sys.executable}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("bad", "Python", told, "Install Python 3.11 or newer.")
    if sys.platform == "darwin" and platform.machine() != "arm64":
        fix = "MLX needs a native Python on Apple silicon; this one runs under Rosetta or on Intel."
        return Finding("bad", "Python", told, fix)
    return Finding("good", "Python", told)


def mlx(settings: Settings) -> Finding:  # noqa: ARG001
    """Whether it computes, and on what."""
    command = [sys.executable, "-c", MLX_PROBE]
    fix = "Install it anew: pip install --force-reinstall mlx mlx-lm"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MLX_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("bad", "MLX", f"does not answer in {MLX_SECONDS} s", "Restart the machine.")
    words = done.stdout.split()
    if done.returncode or len(words) != 4 or words[3] != PRODUCT_SUM:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Finding("bad", "MLX", f"does not compute: {why}", fix)
    told = f"MLX {words[0]}, mlx-lm {words[1]}, on {'Metal' if words[2] == 'gpu' else 'the CPU'}"
    if words[2] == "cpu" and sys.platform == "darwin":
        return Finding("bad", "MLX", told, f"It finds no GPU. {fix}")
    if words[2] == "cpu":
        return Finding("note", "MLX", told, "Fine for tests and small models; Metal needs a Mac.")
    return Finding("good", "MLX", told)


def memory(settings: Settings) -> Finding:
    """Of the machine, against what the model is meant for."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        spec = open_catalog(settings).resolve(settings.model)
    except SettingsError:
        return Finding("good", "memory", size(total))  # the check of the model tells
    needed = (spec.size_gb or 0) * 1e9
    told = f"{size(total)}; {spec.name} has {size(needed)} of weights" if needed else size(total)
    if needed > total * LOADED_SHARE:
        fix = "Choose a smaller model: `mlx-responses models` says for which Macs they are."
        return Finding("bad", "memory", told, fix)
    if spec.memory_gb * 2**30 > total * 1.01:
        fix = f"{spec.name} is meant for {spec.memory_gb} GB: contexts will be short."
        return Finding("note", "memory", told, fix)
    return Finding("good", "memory", told)


def folder(settings: Settings) -> Finding:
    """Whether data can be written, or its folder made."""
    place = _existing(settings.data_folder)
    told = str(settings.data_folder)
    if not os.access(place, os.W_OK | os.X_OK):
        fix = f"{place} cannot be written: change its rights, or choose another with --data-dir."
        return Finding("bad", "data directory", told, fix)
    return Finding("good", "data directory", told)


def disk(settings: Settings) -> Finding:
    """Room for responses and caches."""
    free = shutil.disk_usage(_existing(settings.data_folder)).free
    most = settings.store_bytes + settings.kv_bytes
    told = f"{size(free)} free; up to {size(most)} may be used"
    if free < SPARE_BYTES:
        return Finding("bad", "disk", told, "Free some space; `mlx-responses rm` deletes models.")
    if free < most:
        fix = "Set --kv-bytes and --store-bytes to what there is room for, or free some space."
        return Finding("note", "disk", told, fix)
    return Finding("good", "disk", told)


def port(settings: Settings) -> Finding:
    """Whether the address can be listened on, or a server of ours does."""
    server = find_server(settings.data_folder)
    if server is not None:
        told = f"{server.url} answers (process {server.pid}, {server.model})"
        return Finding("good", "port", told)
    try:
        with contextlib.closing(bind(settings)):
            return Finding("good", "port", f"{settings.host}:{settings.port} is free")
    except CannotListen as failure:
        what, _, fix = failure.message.partition(". ")
        return Finding("bad", "port", what, fix)


def model(settings: Settings, hub: Hub) -> Finding:
    """Whether the files of the model that `serve` loads are here and whole."""
    try:
        spec = open_catalog(settings).resolve(settings.model)
    except SettingsError as error:
        return Finding("bad", "model", str(error), "`mlx-responses models` lists the names.")
    place = find(spec, hub)
    if place is None:
        fix = f"mlx-responses pull {spec.name}"
        return Finding("bad", "model", f"{spec.name} is not on this machine", fix)
    missing = _missing(place)
    if missing:
        told = f"{spec.name} in {place} lacks {', '.join(missing)}"
        fix = f"mlx-responses rm {spec.name}, then mlx-responses pull {spec.name}"
        return Finding("bad", "model", told, fix)
    told = f"{spec.name}: {size(look(place).size_bytes)} in {place}"
    if spec.path.startswith(EMBEDDED):
        fix = "It knows little: `mlx-responses models` lists real ones, `pull` fetches them."
        return Finding("note", "model", told, fix)
    return Finding("good", "model", told)


def database(settings: Settings) -> Finding:
    """Whether the file is sound."""
    path = settings.database
    if not path.exists():
        return Finding("good", "database", f"{path} will be made by the first start")
    fix = "Restore a backup, or move the file away to begin anew."
    try:
        with contextlib.closing(Onlooker(path)) as onlooker:
            faults, found = onlooker.faults(), onlooker.contents()
    except StoreFailed as failure:
        return Finding("bad", "database", failure.message, fix)
    if faults:
        return Finding("bad", "database", f"{path}: {faults[0]}", fix)
    told = f"{found.responses:,} responses, {size(found.file_bytes)} in {path}"
    return Finding("good", "database", told)


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def _missing(place: Path) -> list[str]:
    """Files that a model must have and this folder has not."""
    wanted = {"config.json", "tokenizer.json"}
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
        index = (place / "model.safetensors.index.json").read_bytes()
        wanted |= set(msgspec.json.decode(index, type=_Index).weight_map.values())
    missing = sorted(name for name in wanted if not (place / name).exists())
    return missing if any(place.glob("*.safetensors")) else [*missing, "*.safetensors"]


def _existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    while not path.exists():
        path = path.parent
    return path
