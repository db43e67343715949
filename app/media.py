"""What kinds of bodies are read: JSON alone."""

from typing import Any

from litestar import Request

from .failures import UnsupportedMedia


def check_media(request: Request[Any, Any, Any]) -> None:
    """Only JSON: a form is what a foreign web page can post here without being asked."""
    media, _ = request.content_type
    if media and media != "application/json" and not media.endswith("+json"):
        raise UnsupportedMedia(
            f"The body is {media}; send JSON with the header 'Content-Type: application/json'."
        )
