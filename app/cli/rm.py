"""`mlx-responses rm NAME`: delete a model's files from this machine."""

import argparse
import shutil
from pathlib import Path

from mlx_responses.catalog import EMBEDDED, ModelSpec
from mlx_responses.errors import Failure

from .. import own_models
from ..catalog import OWN_CATALOG, open_catalog
from ..hub import Hub
from ..settings import add_config, read_settings
from ..shelf import find, look
from .answers import size
from .pull import IMPORTED
from .terminal import Terminal

DESCRIPTION = "Delete a model that `pull` brought. Others' folders are never touched."


class CannotRemove(Failure):
    """There is nothing of ours to delete, or nobody agreed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model."""
    parser.add_argument("name", metavar="NAME", help="a name `models` lists")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    parser.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="the data directory")
    add_config(parser)


def run(arguments: argparse.Namespace, terminal: Terminal, hub: Hub | None = None) -> int:
    """Delete. Raises `CannotRemove`, `ModelNotFound`."""
    settings = read_settings(vars(arguments))
    hub, spec = hub or Hub(), open_catalog(settings).resolve(arguments.name)
    if spec.path.startswith(EMBEDDED):
        raise CannotRemove(f"{spec.name} is part of the package; uninstalling that removes it.")
    folder = find(spec, hub)
    ours = folder is None or spec.folder is None
    if folder is not None and spec.folder is not None:
        ours = folder.parent == settings.data_folder / IMPORTED
    if not ours:
        raise CannotRemove(
            f"{folder} was not made by `pull`, so it stays. Delete it by hand if you want to."
        )
    if folder is not None and not (arguments.yes or _agreed(spec, folder, terminal)):
        raise CannotRemove("Nothing was deleted. `--yes` deletes without asking.")
    freed = look(folder).size_bytes if folder is not None else 0
    if spec.folder is not None:
        shutil.rmtree(spec.folder)
    else:
        freed = max(freed, hub.remove(spec.path))
    forgotten = own_models.drop(settings.models or OWN_CATALOG, spec.name)
    if not (freed or forgotten):
        raise CannotRemove(
            f"{spec.name} is not on this machine; `mlx-responses models --here` lists what is."
        )
    terminal.put(f"{spec.name}: {size(freed)} freed")
    return 0


def _agreed(spec: ModelSpec, folder: Path, terminal: Terminal) -> bool:
    return terminal.ask(f"Delete {spec.name}, {size(look(folder).size_bytes)} in {folder}?")
