"""Models on the hub and in its local cache: found, fetched, removed. Knows no catalog.

Large files are fetched here, into the cache's own layout: huggingface_hub begins a broken download
anew, and that of a model is hours on a slow line. It does the rest.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

import httpx2
from huggingface_hub import HfApi, constants, get_token, hf_hub_url, snapshot_download
from huggingface_hub import scan_cache_dir as scan
from huggingface_hub.errors import (
    CacheNotFound,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from tqdm import tqdm

from mlx_responses.catalog import MODEL_FILES
from mlx_responses.errors import Failure

SPARE_BYTES = 10**9
"""Left free beside a download: a system without any space left fails in strange places."""
CHUNK_BYTES = 2**20
"""Read at a time of what is here already, to go on with its hash."""
SILENCE_SECONDS = 30.0
"""A server that sends nothing for so long is gone; what came so far is kept."""

OFFLINE = (
    "Check the connection and run the command again: it goes on where it stopped. Without a "
    "network, copy the model's folder here from a machine that has it, and import it: "
    "mlx-responses pull NAME --from FOLDER. `--model pocket` needs no download at all."
)


class _Silent(tqdm):  # type: ignore[misc]  # it has no types
    """huggingface_hub's bar counts files; ours counts bytes."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **{**named, "disable": True})


class CannotPull(Failure):
    """A model did not arrive; the message says why and what to do."""


class Progress(Protocol):
    """Who shows how far a download is."""

    def begin(self, total: int, done: int) -> None:
        """There are `total` bytes, `done` of them are here already."""

    def advance(self, count: int) -> None:
        """So many more bytes."""


class Hub:
    """One hub and one cache folder; by default those that huggingface_hub's variables name."""

    def __init__(
        self,
        endpoint: str | None = None,
        cache: Path | None = None,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._endpoint = endpoint
        self._cache = cache or Path(constants.HF_HUB_CACHE)
        self._free_bytes = free_bytes

    def find(self, repository: str) -> Path | None:
        """The folder of a repository that is here whole. Reaches for no network."""
        try:
            folder = snapshot_download(
                repository,
                cache_dir=self._cache,
                local_files_only=True,
                allow_patterns=list(MODEL_FILES),
            )
        except (LocalEntryNotFoundError, HFValidationError):
            return None
        return Path(folder)

    def pull(self, repository: str, progress: Progress) -> Path:
        """Fetch what is missing, check it, and give the folder. Raises `CannotPull`."""
        with _told(repository):
            api = HfApi(endpoint=self._endpoint)
            commit = str(api.model_info(repository).sha)
            files = self._files(api, repository, commit)
            large = [file for file in files if file.lfs is not None]
            blobs = self._folder(repository) / "blobs"
            blobs.mkdir(parents=True, exist_ok=True)
            missing = [file for file in large if not (blobs / _digest(file)).exists()]
            done = sum(_size(_part(blobs, file)) for file in missing)
            self._check_space(sum(file.size for file in missing) - done)
            progress.begin(sum(file.size for file in missing), done)
            for file in missing:
                url = hf_hub_url(repository, file.path, revision=commit, endpoint=self._endpoint)
                _fetch(url, file, blobs, progress)
            # Small files, and the links from their names to what lies there now.
            return Path(
                snapshot_download(
                    repository,
                    cache_dir=self._cache,
                    endpoint=self._endpoint,
                    allow_patterns=list(MODEL_FILES),
                    tqdm_class=_Silent,
                )
            )

    def remove(self, repository: str) -> int:
        """Delete a repository from the cache; the bytes that became free."""
        try:
            cached = scan(self._cache)
        except CacheNotFound:
            return 0
        revisions = [
            revision.commit_hash
            for repo in cached.repos
            if repo.repo_id == repository and repo.repo_type == "model"
            for revision in repo.revisions
        ]
        plan = cached.delete_revisions(*revisions)
        plan.execute()
        # Parts of a broken download are no revision yet.
        shutil.rmtree(self._folder(repository), ignore_errors=True)
        return int(plan.expected_freed_size)

    def _files(self, api: HfApi, repository: str, commit: str) -> list[RepoFile]:
        tree = api.list_repo_tree(repository, recursive=True, revision=commit)
        files = {file.path: file for file in tree if isinstance(file, RepoFile)}
        wanted = [file for path, file in files.items() if _is_model_file(path)]
        names = {file.path for file in wanted}
        if "config.json" not in names or not any(n.endswith(".safetensors") for n in names):
            raise CannotPull(
                f"{repository!r} holds no MLX model: it needs config.json and *.safetensors. "
                f"Look for a converted one: {constants.ENDPOINT}/mlx-community."
            )
        return wanted

    def _folder(self, repository: str) -> Path:
        return self._cache / f"models--{repository.replace('/', '--')}"

    def _check_space(self, wanted: int) -> None:
        free = self._free_bytes(self._cache)
        if wanted + SPARE_BYTES > free:
            raise CannotPull(
                f"The download needs {wanted / 1e9:.1f} GB and some room beside it, and "
                f"{free / 1e9:.1f} GB are free in {self._cache}. Free some "
                "(`mlx-responses models`, `mlx-responses rm NAME`), or set HF_HUB_CACHE to a "
                "folder on another disk."
            )


def _fetch(url: str, file: RepoFile, blobs: Path, progress: Progress) -> None:
    """Fetch or go on with one file, and let it take its place once its SHA-256 is right."""
    part, digest = _part(blobs, file), hashlib.sha256()
    with open(part, "ab+") as target:
        target.seek(0)
        while chunk := target.read(CHUNK_BYTES):
            digest.update(chunk)
        begun = target.tell()
        headers = {"Range": f"bytes={begun}-"} if begun else {}
        if begun < file.size:
            for chunk in _chunks(url, headers):
                digest.update(chunk)
                target.write(chunk)
                progress.advance(len(chunk))
    if digest.hexdigest() != _digest(file):
        part.unlink()
        raise CannotPull(
            f"{file.path} arrived damaged: its SHA-256 is not the hub's. It was deleted; run the "
            "command again. If that repeats, something between here and the hub changes files."
        )
    part.rename(blobs / _digest(file))


def _chunks(url: str, headers: dict[str, str]) -> Iterator[bytes]:
    """Pieces as they arrive: what came before a line broke must reach the disk."""
    headers = {**headers, "Accept-Encoding": "identity"}
    token = get_token()
    if token:
        headers = {**headers, "Authorization": f"Bearer {token}"}
    with httpx2.stream(
        "GET", url, headers=headers, follow_redirects=True, timeout=SILENCE_SECONDS
    ) as answer:
        answer.raise_for_status()
        if "Range" in headers and answer.status_code != httpx2.codes.PARTIAL_CONTENT:
            raise CannotPull(
                f"{url} cannot go on in the middle of a file. Remove the model with "
                "`mlx-responses rm` and pull it again."
            )
        yield from answer.iter_raw()


def _is_model_file(path: str) -> bool:
    return any(fnmatch(path, pattern) for pattern in MODEL_FILES)


def _part(blobs: Path, file: RepoFile) -> Path:
    return blobs / f"{_digest(file)}.part"


def _digest(file: RepoFile) -> str:
    assert file.lfs is not None  # only such files are asked
    return str(file.lfs.sha256)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _told(repository: str) -> Iterator[None]:
    """Turn what goes wrong inside into what a person can act on."""
    try:
        yield
    except GatedRepoError as error:
        raise CannotPull(
            f"{repository!r} is given only to those who accept its licence: do so at "
            f"{constants.ENDPOINT}/{repository}, then `hf auth login` here."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise CannotPull(
            f"The hub has no repository {repository!r}, or it is private. `mlx-responses models` "
            f"lists names that work, {constants.ENDPOINT}/mlx-community many more; for a private "
            "one, `hf auth login` first."
        ) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, httpx2.TransportError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CannotPull(f"The hub cannot be reached: {why}. {OFFLINE}") from error
    except (HfHubHTTPError, httpx2.HTTPStatusError) as error:
        raise CannotPull(
            f"The hub refused: {str(error).splitlines()[0]} Try again later."
        ) from error
    except OSError as error:
        raise CannotPull(
            f"The download cannot be written: {error}. Free some disk, or set HF_HUB_CACHE to "
            "another folder; then run the command again."
        ) from error
