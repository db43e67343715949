"""Every failure the project raises, one tree. Knows no transport: `app/failures.py` translates.

    Failure                     what: message, code, param, status hint
    ├── RequestError      400   the request is wrong; resending it unchanged cannot help
    │   ├── PromptTooLong 400   the prompt and the context window do not fit
    │   └── MemoryShort   400   prompt and answer do not fit into the memory there is
    ├── NotFound          404   the path or a name in the body points at nothing
    │   └── ModelNotFound 404   no model of that name
    ├── Overloaded        429   a bound is reached; later it may work (`retry_after_seconds`)
    │   └── Unavailable   503   the server is ending; the next one may do it
    └── ServerFault       500   our side failed; the request may be fine
        ├── EngineFailed  500   the engine lost this turn and goes on with the others
        │   └── EngineStuck 500 the engine does not end a step; the process has to
        ├── TemplateFailed 500  a model's chat template has a defect
        ├── LoadFailed    500   a model's files cannot be read into memory
        └── StoreFailed   500   the database of responses cannot be read or written

Codes are those of the Responses API where it has one.
"""


class Failure(Exception):
    """What all carry: a sentence for people, and `code`, `param`, `status` for programs."""

    status = 500
    default_code: str | None = None

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code


class RequestError(Failure):
    """The request is wrong; `param` is the path of the field, like `input[0].content`."""

    status = 400


class PromptTooLong(RequestError):
    """Prompt plus room for the answer exceed the model's context window."""

    default_code = "context_length_exceeded"


class MemoryShort(RequestError):
    """More memory than there will ever be free here. The message says how much is missing."""

    default_code = "insufficient_memory"


class NotFound(Failure):
    """The path, or a name in the body, points at nothing."""

    status = 404


class ModelNotFound(NotFound):
    """No model of that name, alias, folder or downloaded repository."""

    default_code = "model_not_found"


class Overloaded(Failure):
    """A queue is full. `retry_after_seconds` says when to come back."""

    status = 429
    default_code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(Overloaded):
    """The server is ending, or about to be started again; come back then."""

    status = 503
    default_code = "server_unavailable"


class ServerFault(Failure):
    """Our side failed; the request may be fine."""

    default_code = "server_error"


class EngineFailed(ServerFault):
    """The engine lost this turn (and rebuilt itself); other turns go on."""


class EngineStuck(EngineFailed):
    """The engine does not end a step; the server ends itself, to be started again."""


class TemplateFailed(ServerFault):
    """A model's chat template has a defect; the message names the model and what went wrong."""

    default_code = "chat_template_failed"


class LoadFailed(ServerFault):
    """A model's weights, config or tokenizer cannot be read."""

    default_code = "model_load_failed"


class StoreFailed(ServerFault):
    """The database cannot be opened, read or written; the message says what, why and what to do."""

    default_code = "store_failed"
