"""Files by URL -> files with their text, by whoever fetches for the door. Knows no network.

What was fetched is kept with the item, so that a continued turn reads what the first one read.
"""

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from mlx_responses.errors import RequestError
from mlx_responses.wire.items import CustomToolCallOutput, FunctionCallOutput, InputFile, Message

MAX_FILES = 8
"""Fetched for one request."""
NAME_CHARACTERS = 200


class Page(msgspec.Struct, frozen=True):
    """What stood at a URL: its media type, as in `text/plain`, and its text."""

    media: str
    text: str


Fetch = Callable[[str], Awaitable[Page]]
"""Raises `RequestError` for what cannot, or must not, be fetched."""


async def fetched(items: Sequence[Any], fetch: Fetch, path: str = "input") -> list[Any]:
    """The items with the text of every `input_file` that has only a `file_url`.

    Raises `RequestError` at the part; `path` names the list.
    """
    left = MAX_FILES
    ready = []
    for n, item in enumerate(items):
        name = field_of(item)
        parts = getattr(item, name) if name else None
        if not isinstance(parts, list):
            ready.append(item)
            continue
        filled = []
        for at, part in enumerate(parts):
            if is_wanted(part):
                left -= 1
                place = f"{path}[{n}].{name}[{at}]"
                part = await filled_part(part, fetch if left >= 0 else too_many, place)
            filled.append(part)
        ready.append(msgspec.structs.replace(item, **{name: filled}))
    return ready


def field_of(item: Any) -> str:
    """The field whose parts may be files."""
    match item:
        case Message():
            return "content"
        case FunctionCallOutput() | CustomToolCallOutput():
            return "output"
    return ""


def is_wanted(part: Any) -> bool:
    """Is it a file of which there is only the URL?"""
    return isinstance(part, InputFile) and part.file_data is None and part.file_url is not None


async def filled_part(part: InputFile, fetch: Fetch, path: str) -> InputFile:
    """The file with its text and a name."""
    url = str(part.file_url)
    try:
        page = await fetch(url)
    except RequestError as error:
        raise RequestError(error.message, param=path, code=error.code) from error
    data = base64.b64encode(page.text.encode()).decode()
    return msgspec.structs.replace(
        part,
        file_data=f"data:{page.media};base64,{data}",
        filename=part.filename or name_in(url),
    )


def name_in(url: str) -> str:
    """The last step of a URL's path, or its host."""
    split = urlsplit(url)
    name = unquote(split.path.rstrip("/").rpartition("/")[2]) or split.netloc
    return name[:NAME_CHARACTERS]


async def too_many(_: str) -> Page:
    """Refuses one file more."""
    raise RequestError(
        f"More than {MAX_FILES} files by URL in one request; send file_data instead.",
        code="file_not_fetched",
    )
