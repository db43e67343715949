"""Content parts -> text. Refuses, at the part, what a model that reads only text cannot take."""

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from mlx_responses.errors import RequestError
from mlx_responses.wire.items import (
    InputFile,
    InputText,
    MessagePart,
    OutputPart,
    OutputText,
    ReasoningText,
    Refusal,
    SummaryText,
    Text,
)

Content = str | Sequence[MessagePart] | Sequence[OutputPart]

NOT_TEXT = ("image/", "audio/", "video/", "font/", "application/pdf", "application/zip")
"""Media types whose bytes are no text even where they happen to decode."""


def given_text(content: Content, path: str) -> str:
    """What a user, a system or a tool said: the parts in order, one below the other.

    `path` names the parts in an error. Raises `RequestError` at the first part without text.
    """
    if isinstance(content, str):
        return content
    return "\n".join(part_text(part, f"{path}[{n}]") for n, part in enumerate(content))


def answer_text(content: Content, path: str) -> tuple[str, str]:
    """What an assistant thought and said; the parts of each run on without a break."""
    if isinstance(content, str):
        return "", content
    thought, said = "", ""
    for n, part in enumerate(content):
        text = part_text(part, f"{path}[{n}]")
        if isinstance(part, ReasoningText | SummaryText):
            thought += text
        else:
            said += text
    return thought, said


def part_text(part: MessagePart | OutputPart, path: str) -> str:
    """The text of one part."""
    match part:
        case InputText() | Text() | OutputText() | ReasoningText() | SummaryText():
            return part.text
        case Refusal():
            return part.refusal
        case InputFile():
            return file_text(part, path)
    raise RequestError(
        f"{part.type} is not supported: this model reads only text.",
        param=path,
        code="unsupported_value",
    )


def file_text(part: InputFile, path: str) -> str:
    """A text file as it stands in the prompt, below its name."""
    if part.file_data is None:
        if part.file_id is not None:
            raise refused_file("a file by file_id cannot be had; send file_data", path)
        raise refused_file(
            "files by URL are not fetched; send file_data, or start the server with "
            "--fetch-urls on",
            path,
        )
    media, data = data_url(part.file_data, path)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if media.startswith(NOT_TEXT) or "\0" in text or text.startswith("%PDF-"):
        raise refused_file(f"this model reads only text files, not {media or 'binary data'}", path)
    return f"File {part.filename or 'without a name'}:\n{text}"


def data_url(url: str, path: str) -> tuple[str, bytes]:
    """Media type and bytes of a data URL (RFC 2397)."""
    head, comma, body = url.partition(",")
    if not comma or not head.startswith("data:"):
        raise refused_file("file_data is not a data URL", path)
    media, *options = head.removeprefix("data:").split(";")
    data = unquote_to_bytes(body)
    if "base64" in options:
        try:
            data = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise refused_file("file_data is not valid base64", path) from error
    return media.strip().lower(), data


def refused_file(reason: str, path: str) -> RequestError:
    """The refusal of an `input_file` part."""
    return RequestError(
        f"input_file is not supported here: {reason}.", param=path, code="unsupported_value"
    )
