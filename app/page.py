"""GET / and what the page is made of: files of `web/`, as they are. Says nothing of anybody, so
that a browser gets them before it has a key; what they show, they ask of the API.
"""

from functools import cache
from pathlib import Path

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from mlx_responses.errors import NotFound

from .gate import Door
from .operation import Operation

FOLDER = Path(__file__).parent / "web"
MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
HEADERS = {
    # Scripts and styles of our own alone: what a model wrote can neither run nor fetch anything.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
PAGES = {"/": "index.html", "/docs": "docs.html"}
PARTS = {f"/web/{part.name}": part for part in sorted(FOLDER.iterdir()) if part.suffix in MEDIA}
OPEN = frozenset([*PAGES, *PARTS])
"""Paths that need no key."""
DOOR = "<!-- door -->"
"""Where a page asks for a key, which all do in the same way: `door.html` stands there."""

PAGE = Operation(summary="The page", media="text/html")
DOCS = Operation(summary="The API, for people", media="text/html")


def routes() -> list[HTTPRouteHandler]:
    """The handlers of these paths."""

    @get("/", opt=PAGE.opt)
    async def page() -> Response[bytes]:
        """A playground, what is stored, and how the server does."""
        return _file(FOLDER / PAGES["/"])

    @get("/docs", opt=DOCS.opt)
    async def docs() -> Response[bytes]:
        """/openapi.json, as a page."""
        return _file(FOLDER / PAGES["/docs"])

    @get("/web/{name:str}", include_in_schema=False)
    async def part(name: str) -> Response[bytes]:
        """A script or a style of it."""
        found = PARTS.get(f"/web/{name}")
        if found is None:
            raise NotFound(f"The page has no part {name[:100]!r}.")
        return _file(found)

    return [page, docs, part]


def door() -> Door:
    """The page as the gate shows it to a browser without a key: it asks for one."""
    headers = {"content-type": f"{MEDIA['.html']}; charset=utf-8", **HEADERS}
    pairs = tuple((name.encode(), value.encode()) for name, value in headers.items())
    return Door(_body(FOLDER / PAGES["/"]), pairs)


def _file(path: Path) -> Response[bytes]:
    return Response(_body(path), media_type=MEDIA[path.suffix], headers=HEADERS)


@cache
def _body(path: Path) -> bytes:
    """What is handed out, read once."""
    text = path.read_text("utf-8")
    if DOOR in text:
        text = text.replace(DOOR, (FOLDER / "door.html").read_text("utf-8"))
    return text.encode()
