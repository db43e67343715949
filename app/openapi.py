"""GET /openapi.json: the paths of the app as OpenAPI 3.1, from its routes and their `Operation`s.

The schemas are those of the Structs that decode and encode, so they cannot tell anything else.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from mlx_responses import __version__
from mlx_responses.wire import codec
from mlx_responses.wire.response import ErrorEnvelope
from mlx_responses.wire.schemas import Schema, schemas

from .ignored import IGNORED_HEADER
from .operation import JSON, KEY, Operation, Query
from .request_id import HEADER
from .stored import json

Found = tuple[str, str, HTTPRouteHandler, Operation]
"""Path, verb, handler, what it says of itself."""

ABOUT = (
    "The OpenAI Responses API over MLX, on this machine. `/v1/` is OpenAI's; `/api/` is our own. "
    "`/v1/responses` is also a WebSocket, whose messages are the same bodies and events."
)
REFUSALS = {
    400: "The request is wrong; `param` names the field.",
    401: "An API key is missing or unknown.",
    403: "It may not come from there: another page, or a name that this server does not answer to.",
    404: "The path, or a name in the request, points at nothing.",
    413: "The body is larger than this server's `max_body_bytes`.",
    415: "The body is not said to be JSON.",
    429: "A bound is reached; `retry-after` says in how many seconds to come back.",
    500: "The server had an error; its log has the request's id.",
    503: "Turns cannot be run or kept now, or too many connections are open; `retry-after` says in "
    "how many seconds to come back, where it is known.",
}
ALWAYS = (401, 403, 500, 503)
WITH_BODY = (400, 413, 415)
TAGS = {
    "/v1/responses": "Responses",
    "/v1/conversations": "Conversations",
    "/v1/chat": "Chat",
    "/v1/models": "Models",
    "/api": "Our own",
    "/": "Server",
}
SECURITY: Schema = {
    "key": {"type": "http", "scheme": "bearer", "description": "`mlx-responses keys add NAME`"},
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}


def routes() -> list[HTTPRouteHandler]:
    """The handler of this path."""
    made: list[bytes] = []  # once: the routes of an app do not change

    @get(
        "/openapi.json",
        opt=Operation(summary="This description", answer=dict[str, Any]).opt,
    )
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not made:
            made.append(codec.encode(document(request.app)))
        return json(made[0])

    return [openapi]


def document(app: Litestar) -> Schema:
    """The whole description. A handler that says nothing of itself is a `KeyError`."""
    found = sorted(_operations(app), key=lambda one: one[:2])
    kinds = [ErrorEnvelope, *(kind for *_, operation in found for kind in operation.kinds)]
    shown, named = schemas(kinds)
    schema_of = dict(zip(map(repr, kinds), shown, strict=True))
    paths: dict[str, Schema] = {}
    for path, verb, handler, operation in found:
        paths.setdefault(path, {})[verb] = {
            "operationId": _name(verb, path),
            "tags": [next(tag for prefix, tag in TAGS.items() if path.startswith(prefix))],
            "summary": operation.summary,
            "description": inspect.getdoc(handler.fn) or operation.summary,
            "parameters": [*_path_parameters(path), *_queries(operation, schema_of)],
            **_body(operation, schema_of),
            "responses": _answers(path, operation, schema_of),
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "mlx-responses", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{}, *({name: []} for name in SECURITY)],
        "paths": paths,
        "components": {
            "schemas": named,
            "responses": {str(status): _refusal(status) for status in REFUSALS},
            "securitySchemes": SECURITY,
        },
    }


def _operations(app: Litestar) -> Iterator[Found]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for verb, (handler, *_) in route.route_handler_map.items():
                if handler.resolve_include_in_schema():
                    yield route.path_format, verb.lower(), handler, handler.opt[KEY]


def _name(verb: str, path: str) -> str:
    """`get /v1/responses/{response_id}` -> `get_responses_by_response_id`."""
    words = re.sub(r"\{(\w+)\}", r"by_\1", path.removeprefix("/v1"))
    return "_".join([verb, *re.findall(r"\w+", words)])


def _path_parameters(path: str) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _queries(operation: Operation, schema_of: dict[str, Schema]) -> list[Schema]:
    return [_query(query, schema_of[repr(query.kind)]) for query in operation.queries]


def _query(query: Query, schema: Schema) -> Schema:
    told = {"name": query.name, "in": "query", "description": query.about, "schema": schema}
    return told if query.style is None else {**told, "style": query.style, "explode": True}


def _body(operation: Operation, schema_of: dict[str, Schema]) -> Schema:
    if operation.body is None:
        return {}
    content = {"schema": schema_of[repr(operation.body)]}
    if operation.example is not None:
        content["example"] = operation.example
    return {"requestBody": {"required": not operation.optional, "content": {JSON: content}}}


def _answers(path: str, operation: Operation, schema_of: dict[str, Schema]) -> Schema:
    headers = {HEADER: _header("the client's id for this request, or a new one")}
    if operation.body is not None:
        headers[IGNORED_HEADER] = _header("fields of the body that had no effect")
    kind = operation.answer
    content = {
        operation.media: {"schema": {"type": "string"} if kind is None else schema_of[repr(kind)]}
    }
    if operation.events is not None:
        content["text/event-stream"] = {"schema": schema_of[repr(operation.events)]}
    answers: Schema = {
        "200": {"description": operation.summary, "headers": headers, "content": content}
    }
    statuses = {*ALWAYS, *operation.refusals}
    statuses |= set(WITH_BODY) if operation.body is not None else set()
    statuses |= {400} if operation.queries else set()
    statuses |= {404} if "{" in path else set()
    for status in sorted(statuses):
        answers[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return answers


def _refusal(status: int) -> Schema:
    headers = {HEADER: _header("to look for in the server's log")}
    if status in (429, 503):
        headers["retry-after"] = _header("seconds")
    content = {JSON: {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}}
    return {"description": REFUSALS[status], "headers": headers, "content": content}


def _header(about: str) -> Schema:
    return {"description": about, "schema": {"type": "string"}}
