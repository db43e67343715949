"""Query strings -> typed values; a wrong one is a 400 that names it. Knows no path."""

from typing import Any, get_args

from litestar import Request

from mlx_responses.errors import RequestError
from mlx_responses.store import PageQuery, ResponseQuery
from mlx_responses.wire.request import Includable

AnyRequest = Request[Any, Any, Any]


def page(request: AnyRequest) -> PageQuery:
    """`limit`, `order`, `after`. Raises `RequestError`."""
    return PageQuery(**_page_fields(request))


def search(request: AnyRequest) -> ResponseQuery:
    """As `page`, and what to look for: `model`, `status`, `q`, `metadata[key]`."""
    query = request.query_params
    metadata = {
        name[len("metadata[") : -1]: value
        for name, value in query.items()
        if name.startswith("metadata[") and name.endswith("]")
    }
    return ResponseQuery(
        model=query.get("model"),
        status=query.get("status"),
        q=query.get("q"),
        metadata=metadata,
        **_page_fields(request),
    )


def _page_fields(request: AnyRequest) -> dict[str, Any]:
    query = request.query_params
    fields: dict[str, Any] = {"after": query.get("after")}
    if "limit" in query:
        fields["limit"] = integer(request, "limit")
    if "order" in query:
        fields["order"] = query["order"]
    return fields


def integer(request: AnyRequest, name: str) -> int | None:
    """A whole number, if it is given. Raises `RequestError`."""
    text = request.query_params.get(name)
    if text is None:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        message = f"Invalid '{name}': expected an integer, but got {text[:40]!r}."
        raise RequestError(message, param=name, code="invalid_type")
    return int(text)


def flag(request: AnyRequest, name: str) -> bool:
    """`true` or `false`, the latter if it is not given. Raises `RequestError`."""
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false"):
        message = f"Invalid '{name}': expected true or false, but got {text[:40]!r}."
        raise RequestError(message, param=name, code="invalid_type")
    return text == "true"


def check_include(request: AnyRequest) -> None:
    """Every `include` (also `include[]`) is one that there is. What was stored is all there is to
    show, so none of them changes the answer. Raises `RequestError`."""
    query = request.query_params
    wanted = [*query.getall("include", []), *query.getall("include[]", [])]
    for n, value in enumerate(wanted):
        if value not in get_args(Includable):
            raise RequestError(
                f"Invalid 'include[{n}]': {value[:80]!r} is not a value that it can have.",
                param=f"include[{n}]",
                code="invalid_value",
            )
