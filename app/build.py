"""Live and settings -> the ASGI app. Opens nothing: whoever made the Live opens and closes it."""

from litestar import Litestar

from mlx_responses.live import Live

from . import failures, meta, request_id, responses
from .settings import Settings


def build_app(live: Live, settings: Settings) -> Litestar:
    """The server's paths over `live`, every refusal in the error envelope."""
    return Litestar(
        route_handlers=[*responses.routes(live, settings), *meta.routes(live)],
        exception_handlers=failures.HANDLERS,
        before_send=[request_id.name_answer],
        request_max_body_size=settings.max_body_bytes,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
