"""`mlx-responses pull NAME`: bring a model to this machine, from the hub or from a folder."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Drawing

from mlx_responses.catalog import Catalog, ModelSpec
from mlx_responses.errors import NotFound

from .. import own_models
from ..catalog import OWN_CATALOG, open_catalog
from ..hub import SPARE_BYTES, CannotPull, Hub, Progress
from ..settings import Settings, add_config, read_settings
from ..shelf import look
from . import checks
from .answers import size
from .terminal import Terminal

DESCRIPTION = (
    "Fetch a model from the hub, by its name in models.toml or as org/repository; a broken "
    "download goes on where it stopped. With --from, copy one from a folder."
)

IMPORTED = "models"
"""In the data folder: models that --from brought."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model."""
    parser.add_argument("name", metavar="NAME", help="a name `models` lists, or org/repository")
    parser.add_argument(
        "--from", dest="folder", metavar="FOLDER", type=Path, help="copy it from here"
    )
    parser.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="the data directory")
    add_config(parser)


def run(arguments: argparse.Namespace, terminal: Terminal, hub: Hub | None = None) -> int:
    """Fetch or copy. Raises `CannotPull`, `NotFound`."""
    settings = read_settings(vars(arguments))
    catalog = open_catalog(settings)
    own = settings.models or OWN_CATALOG
    if arguments.folder is not None:
        spec = _import(arguments, catalog, settings)
        own_models.add(own, spec)
        terminal.put(f"{spec.name}: {spec.path}, {size(look(Path(spec.path)).size_bytes)}")
        terminal.say(f"Added to {own}. A server that runs finds it after a restart.")
        return 0
    spec = _wanted(arguments.name, catalog)
    if spec.folder is not None:
        terminal.say(f"{spec.name} is here already, in {spec.folder}.")
        return 0
    if catalog.knows(spec.name):
        fits = checks.memory(msgspec.structs.replace(settings, model=spec.name))
        if fits.state != "good":
            terminal.say(f"{fits.told}. {fits.fix}")
    hub = hub or Hub()
    for repository in [spec.path, *([spec.draft] if spec.draft else [])]:
        with _shown(repository, terminal) as progress:
            folder = hub.pull(repository, progress)
        terminal.put(f"{repository}: {folder}, {size(look(folder).size_bytes)}")
    if not catalog.knows(spec.name):
        own_models.add(own, spec)
        terminal.say(f"Added to {own}. A server that runs finds it after a restart.")
    terminal.say(f"Try it: mlx-responses ask --model {spec.name} Hello")
    return 0


def _wanted(name: str, catalog: Catalog) -> ModelSpec:
    """An entry, or a repository that is none yet."""
    if catalog.knows(name):
        return catalog.resolve(name)
    if name.count("/") == 1:
        return ModelSpec(name=name, path=name)
    names = [*(spec.name for spec in catalog), *catalog.aliases]
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise NotFound(
        f"No model is called {name!r}. {hint}`mlx-responses models` lists the names; a repository "
        "of the hub is written org/name."
    )


def _import(arguments: argparse.Namespace, catalog: Catalog, settings: Settings) -> ModelSpec:
    """Copy a folder into ours: whole, or not at all."""
    source, name = arguments.folder.expanduser(), arguments.name
    if not (source / "config.json").is_file() or not any(source.glob("*.safetensors")):
        raise CannotPull(
            f"{source} holds no MLX model: it needs config.json and *.safetensors. Name the folder "
            "that has them; of a hub cache that is models--ORG--NAME/snapshots/REVISION."
        )
    target = settings.data_folder / IMPORTED / name.replace("/", "--")
    if target.exists():
        raise CannotPull(f"{target} exists. Remove it first: mlx-responses rm {name}.")
    part = target.with_name(f"{target.name}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        needed, free = look(source).size_bytes, shutil.disk_usage(part.parent).free
        if needed + SPARE_BYTES > free:
            raise CannotPull(
                f"The copy needs {size(needed)} and some room beside it, and {size(free)} are free "
                f"in {part.parent}. Free some, or leave the model where it is: "
                f"mlx-responses serve --model {source}."
            )
        shutil.copytree(source, part)  # follows links: those of a hub cache lead to its blobs
        part.rename(target)
    except (OSError, shutil.Error) as error:
        raise CannotPull(f"{source} cannot be copied to {target}: {error}.") from error
    known = catalog.resolve(name) if catalog.knows(name) else ModelSpec(name=name, path="")
    return msgspec.structs.replace(known, name=name, path=str(target))


@contextmanager
def _shown(repository: str, terminal: Terminal) -> Iterator[Progress]:
    """A bar for people; for a log one line at the start."""
    if not sys.stderr.isatty():
        yield _Lines(repository, terminal)
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Drawing("{task.description}", *columns, console=Console(stderr=True)) as drawing:
        yield _Bar(repository, drawing)


class _Lines:
    def __init__(self, repository: str, terminal: Terminal) -> None:
        self._repository = repository
        self._terminal = terminal

    def begin(self, total: int, done: int) -> None:
        rest = f", {size(done)} of it here already" if done else ""
        self._terminal.say(f"Fetching {self._repository}: {size(total)}{rest}")

    def advance(self, count: int) -> None:
        """Nothing: a line for every piece would fill a log."""


class _Bar:
    def __init__(self, repository: str, drawing: Drawing) -> None:
        self._drawing = drawing
        self._task = drawing.add_task(repository, total=None)

    def begin(self, total: int, done: int) -> None:
        self._drawing.update(self._task, total=total, completed=done)

    def advance(self, count: int) -> None:
        self._drawing.advance(self._task, count)
