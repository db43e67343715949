"""What kinds of bodies are read: JSON alone."""

from typing import Any

from litestar import Request

from .failures import UnsupportedMedia


def is_json(content_type: str) -> bool:
    """Whether a body is said to be JSON."""
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json")


def check_media(request: Request[Any, Any, Any]) -> None:
    """Only JSON: a form is what a foreign web page can post here without being asked."""
    media, _ = request.content_type
    if media and not is_json(media):
        raise UnsupportedMedia(
            f"The body is {media}; send JSON with the header 'Content-Type: application/json'."
        )
