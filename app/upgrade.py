"""Which requests become WebSockets. Knows uvicorn's HTTP protocol, and of the app one path."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .responses import PATH


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, which would hand over every request that asks for it: a POST would then wait for
    ever, and a GET elsewhere get no envelope."""

    def _should_upgrade(self) -> bool:
        path, _, _ = self.url.partition(b"?")
        here = self.scope["method"] == "GET" and path == PATH.encode()
        return here and super()._should_upgrade()
