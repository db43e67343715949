"""Live and settings -> the ASGI app. Opens nothing: whoever made the Live opens and closes it."""

from litestar import Litestar

from mlx_responses.live import Live

from . import (
    chat,
    conversations,
    extensions,
    failures,
    meta,
    metrics,
    openapi,
    page,
    rates,
    request_id,
    responses,
    sign_in,
    stats,
    stored,
)
from .ignored import Ignored
from .sessions import Sessions
from .settings import Settings
from .visits import visits
from .websocket import Sockets


def build_app(live: Live, settings: Settings, sockets: Sockets, sessions: Sessions) -> Litestar:
    """The server's paths over `live`, every refusal in the error envelope. `sessions`: who signed
    in on the page, which the gate knows too."""
    visit = visits(live, settings)
    named = Ignored(refuse=settings.unknown_fields == "refuse")
    return Litestar(
        route_handlers=[
            *responses.routes(visit, named),
            *chat.routes(visit, named),
            *stored.routes(visit, named),
            *conversations.routes(visit, named),
            *extensions.routes(live, visit),
            *stats.routes(live, visit),
            *sign_in.routes(sessions),
            *sockets.routes(),
            *meta.routes(live),
            *metrics.routes(live),
            *openapi.routes(),
            *page.routes(),
        ],
        exception_handlers=failures.HANDLERS,
        before_send=[request_id.name_answer, rates.Rates(live, settings.max_turns)],
        request_max_body_size=settings.max_body_bytes,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
