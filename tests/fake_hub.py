"""A hub on loopback: as much of the Hugging Face Hub's API as fetching a repository takes."""

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40


class FakeHub:
    """`files` of each repository; `break_after` bytes a large file's connection is cut, once."""

    def __init__(self, repositories: tuple[str, ...], files: dict[str, bytes]) -> None:
        self.repositories = repositories
        self.files = files
        self.url = ""
        self.ranges: list[str | None] = []
        self.break_after: int | None = None
        self.told: dict[str, bytes] = {}
        """What the listing says of a file, where that is not what is sent."""

    def tree(self) -> list[dict[str, object]]:
        listed = []
        for path, sent in self.files.items():
            body = self.told.get(path, sent)
            entry: dict[str, object] = {
                "type": "file",
                "path": path,
                "size": len(body),
                "oid": hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest(),
            }
            if path.endswith(".safetensors"):
                digest = hashlib.sha256(body).hexdigest()
                entry["lfs"] = {"oid": digest, "size": len(body), "pointerSize": 130}
            listed.append(entry)
        return listed

    def etag(self, path: str) -> str:
        entry = next(one for one in self.tree() if one["path"] == path)
        lfs = entry.get("lfs")
        return str(lfs["oid"] if isinstance(lfs, dict) else entry["oid"])


class Handler(BaseHTTPRequestHandler):
    """One request; the server carries the hub."""

    def setup(self) -> None:
        super().setup()
        self.hub: FakeHub = self.server.hub

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, *, head: bool) -> None:
        path = self.path.split("?")[0]
        name = next((name for name in self.hub.repositories if f"/{name}" in path), None)
        if name is None:
            self.refuse()
        elif path.startswith(f"/api/models/{name}/tree/"):
            self.send(json.dumps(self.hub.tree()).encode())
        elif path in (f"/api/models/{name}", f"/api/models/{name}/revision/main"):
            self.send(json.dumps({"id": name, "sha": COMMIT}).encode())
        elif found := re.fullmatch(rf"/{name}/resolve/[^/]+/(.+)", path):
            self.file(found[1], head=head)
        else:
            self.refuse()

    def refuse(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def file(self, path: str, *, head: bool) -> None:
        body, begin, hub = self.hub.files[path], 0, self.hub
        large = path.endswith(".safetensors")
        if large and not head:
            hub.ranges.append(self.headers["Range"])
            begin = int(re.sub(r"\D", "", self.headers["Range"] or "0"))
        self.send_response(206 if begin else 200)
        self.send_header("ETag", f'"{hub.etag(path)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        if head:
            return
        end = None
        if large and hub.break_after is not None:
            end, hub.break_after = begin + hub.break_after, None
            self.close_connection = True
        self.wfile.write(body[begin:end])


class Server(ThreadingHTTPServer):
    """Knows its hub."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), Handler)


@contextlib.contextmanager
def fake_hub(*repositories: str, files: dict[str, bytes]) -> Iterator[FakeHub]:
    """Runs while the block does; `url` is its endpoint."""
    hub = FakeHub(repositories, files)
    with Server(hub) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
