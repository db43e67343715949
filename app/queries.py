"""Query strings -> typed values; a wrong one is a 400 that names it. Knows no path."""

import re
from typing import Annotated, Any, Literal, get_args

from litestar import Request
from msgspec import Meta

from mlx_responses.errors import RequestError
from mlx_responses.store import MAX_PAGE, MAX_TREE, Order, PageQuery, ResponseQuery, TreeQuery
from mlx_responses.wire.request import Includable
from mlx_responses.wire.response import ResponseStatus

from .operation import Query

AnyRequest = Request[Any, Any, Any]

_METADATA = re.compile(r"metadata\[(.+)\]", re.DOTALL)

AFTER = Query("after", str, "the id of the last entry that you have")
PAGE = (
    Query("limit", Annotated[int, Meta(ge=1, le=MAX_PAGE)], "entries of a page; 20 unless given"),
    Query("order", Order, "by age; `desc`, the newest first, unless given"),
    AFTER,
)
TREE = (
    Query("limit", Annotated[int, Meta(ge=1, le=MAX_TREE)], "entries; 1,000 unless given"),
    Query("order", Literal["asc"], "by age: the oldest first"),
    AFTER,
)
SEARCH = (
    *PAGE,
    Query("model", str, "made by this model"),
    Query("status", ResponseStatus, "in this state"),
    Query("q", str, "with these words in its items"),
    Query("metadata", dict[str, str], "`metadata[key]=value`: with this pair", "deepObject"),
)
INCLUDE = (Query("include", list[Includable], "taken; all that was stored is shown anyway"),)


def page(request: AnyRequest) -> PageQuery:
    """`limit`, `order`, `after`. Raises `RequestError`."""
    return PageQuery(**_page_fields(request))


def tree(request: AnyRequest) -> TreeQuery:
    """`limit`, `after`, and no other `order` than there is. Raises `RequestError`."""
    fields = _page_fields(request)
    if fields.get("order", "asc") != "asc":
        message = f"Invalid 'order': {fields['order'][:40]!r}; a tree is read from its root."
        raise RequestError(message, param="order", code="invalid_value")
    return TreeQuery(**fields)


def search(request: AnyRequest) -> ResponseQuery:
    """As `page`, and what to look for: `model`, `status`, `q`, `metadata[key]`."""
    query = request.query_params
    status = query.get("status")
    if status is not None and status not in get_args(ResponseStatus):
        known = ", ".join(get_args(ResponseStatus))
        message = f"Invalid 'status': {status[:40]!r} is none of {known}."
        raise RequestError(message, param="status", code="invalid_value")
    return ResponseQuery(
        model=query.get("model"),
        status=status,
        q=query.get("q"),
        metadata=_metadata(request),
        **_page_fields(request),
    )


def _metadata(request: AnyRequest) -> dict[str, str]:
    """Every `metadata[key]`."""
    wanted = {}
    for name, value in request.query_params.items():
        if name.startswith("metadata"):
            key = _METADATA.fullmatch(name)
            if key is None:
                message = "Metadata are looked for as 'metadata[key]=value'."
                raise RequestError(message, param="metadata", code="invalid_value")
            wanted[key[1]] = value
    return wanted


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


def count(request: AnyRequest, name: str) -> int | None:
    """As `integer`, and not below 0."""
    number = integer(request, name)
    if number is not None and number < 0:
        message = f"Invalid '{name}': it is {number}, but must be >= 0."
        raise RequestError(message, param=name, code="integer_below_min_value")
    return number


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
