"""Fetching a client's URL: what comes, what is refused, and that nothing can be pointed elsewhere.

The server is on loopback, and names lead there by a resolver of the test's own.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from mlx_responses.app.fetch import Fetcher, FetchLimits, Refused
from mlx_responses.catalog import PACKAGED_CATALOG
from mlx_responses.fetched import Page
from tests.serving import serving_model

INSIDE = "127.0.0.2"
"""Stands for an address that is not public."""
SLOW_SECONDS = 3


class Pages(BaseHTTPRequestHandler):
    """Each path is a page with something to see to."""

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.server.seen.append((name, self.headers["host"]))  # type: ignore[attr-defined]
        getattr(self, name, self.missing)()

    def say(self, status: int = 200, body: bytes = b"hello", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def plain(self) -> None:
        self.say(content_type="text/plain")

    def latin(self) -> None:
        self.say(body=b"caf\xe9", content_type="text/csv; charset=latin-1")

    def json(self) -> None:
        self.say(body=b"{}", content_type="application/json")

    def bare(self) -> None:
        self.say()

    def image(self) -> None:
        self.say(content_type="image/png")

    def binary(self) -> None:
        self.say(body=b"\xff\xfe", content_type="text/plain")

    def odd(self) -> None:
        self.say(content_type="text/plain; charset=no-such")

    def packed(self) -> None:
        self.say(content_type="text/plain", content_encoding="gzip")

    def large(self) -> None:
        self.say(body=b"x" * 5000, content_type="text/plain")

    def slow(self) -> None:
        self.say(content_type="text/plain", content_length="9")
        time.sleep(SLOW_SECONDS)

    def moved(self) -> None:
        self.say(302, location="/plain")

    def round(self) -> None:
        self.say(307, location="/round")

    def inwards(self) -> None:
        self.say(301, location=f"http://inside.test:{self.server.server_address[1]}/plain")

    def elsewhere(self) -> None:
        self.say(301, location="file:///etc/passwd")

    def missing(self) -> None:
        self.say(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def pages() -> Iterator[ThreadingHTTPServer]:
    """The pages, and what was seen of them in `seen`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server, ThreadPoolExecutor(1) as thread:
        server.seen = []  # type: ignore[attr-defined]
        thread.submit(server.serve_forever, 0.05)
        yield server
        server.shutdown()


class Names:
    """A resolver: every name leads to the pages, but for those that lead inside."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def __call__(self, host: str, _: int) -> list[str]:
        self.asked.append(host)
        if self._answers:
            return self._answers.pop(0)
        return [INSIDE if host.startswith("inside") else "127.0.0.1"]


def fetch(pages, path, *, host="pages.test", names=None, hosts=(), **limits):
    """What is fetched of a path, under a name."""
    fetcher = Fetcher(
        hosts,
        FetchLimits(**limits),
        resolve=names or Names(),
        allows=lambda address: address == "127.0.0.1",
    )
    url = path if "://" in path else f"http://{host}:{pages.server_address[1]}/{path}"
    return asyncio.run(fetcher(url))


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("plain", Page("text/plain", "hello")),
        ("latin", Page("text/csv", "café")),
        ("json", Page("application/json", "{}")),
        ("bare", Page("text/plain", "hello")),
        ("moved", Page("text/plain", "hello")),
    ],
)
def test_text_is_fetched(pages, path, page):
    assert fetch(pages, path) == page


def test_the_server_is_asked_by_its_name(pages):
    fetch(pages, "plain", host="named.test")
    assert pages.seen[-1] == ("plain", f"named.test:{pages.server_address[1]}")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("image", "image/png; only text"),
        ("binary", "not text in the encoding"),
        ("odd", "not text in the encoding"),
        ("packed", "compressed"),
        ("large", "more than 4000 bytes"),
        ("slow", "more than 0.3 s"),
        ("round", "more than 4 redirects"),
        ("inwards", "not on the public internet"),
        ("elsewhere", "only http and https"),
        ("gone", "status 404"),
        ("ftp://pages.test/a", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("http://user:word@pages.test/", "password"),
        ("http://pages.test:99999/", "no URL"),
        ("http://[::1/", "no URL"),
        ("http://pages.test\\@inside.test/", "no URL"),
        ("http://pages.test/\n", "no URL"),
        ("http:///plain", "only http and https"),
        ("http://inside.test/plain", "not on the public internet"),
        ("http://127.0.0.1:1/", "cannot be reached"),
    ],
)
def test_what_is_not_fetched_says_why(pages, path, why):
    with pytest.raises(Refused, match=why) as caught:
        fetch(pages, path, bytes=4000, seconds=0.3)
    assert caught.value.code == "file_not_fetched"


def test_a_name_is_resolved_once_and_the_connection_goes_where_it_was_checked(pages):
    names = Names(["127.0.0.1"], [INSIDE])
    assert fetch(pages, "plain", names=names).text == "hello"
    assert names.asked == ["pages.test"]


@pytest.mark.parametrize("answers", [["127.0.0.1", INSIDE], [INSIDE, "127.0.0.1"], []])
def test_one_address_that_is_not_public_refuses_the_name(pages, answers):
    seen = len(pages.seen)
    with pytest.raises(Refused, match="not on the public internet"):
        fetch(pages, "plain", names=Names(answers))
    assert len(pages.seen) == seen


def test_a_redirect_is_resolved_and_checked_anew(pages):
    names = Names(["127.0.0.1"], [INSIDE])
    with pytest.raises(Refused, match="not on the public internet"):
        fetch(pages, "moved", names=names)


@pytest.mark.parametrize("host", ["a.test", "b.a.test"])
def test_allowed_hosts_and_what_is_below_them_are_fetched_from(pages, host):
    assert fetch(pages, "plain", host=host, hosts=["A.test"]).text == "hello"
    with pytest.raises(Refused, match="not among the hosts"):
        fetch(pages, "plain", host=f"not-{host.replace('.', '-')}", hosts=["a.test"])


FILE = {"type": "input_file"}


def ask(url: str, part: dict, path: str = "responses", field: str = "input") -> httpx.Response:
    body = {"model": "pocket", field: [{"role": "user", "content": [part]}]}
    return httpx.post(f"{url}/v1/{path}", json=body, timeout=30)


def test_nothing_is_fetched_unless_that_is_allowed(pocket_server, pages):
    seen = len(pages.seen)
    address = f"http://127.0.0.1:{pages.server_address[1]}/plain"
    error = ask(pocket_server, {**FILE, "file_url": address}).json()["error"]
    assert error["param"] == "input[0].content[0]"
    assert "--fetch-urls on" in error["message"]
    image = ask(pocket_server, {"type": "input_image", "image_url": address})
    assert image.status_code == 400
    assert len(pages.seen) == seen


def test_this_machine_is_not_fetched_from_by_any_path(tmp_path, pages):
    seen = len(pages.seen)
    port = pages.server_address[1]
    home = {"models": PACKAGED_CATALOG, "data_dir": tmp_path}
    with serving_model(**home, fetch_urls="on") as url:
        for host in ("127.0.0.1", "localhost", "[::1]", "0x7f.1", "[::ffff:127.0.0.1]"):
            for path, field in [
                ("responses", "input"),
                ("responses/input_tokens", "input"),
                ("responses/compact", "input"),
                ("conversations", "items"),
            ]:
                part = {**FILE, "file_url": f"http://{host}:{port}/plain"}
                answer = ask(url, part, path, field)
                error = answer.json()["error"]
                assert (answer.status_code, error["code"]) == (400, "file_not_fetched"), error
                assert error["param"] == f"{field}[0].content[0]"
    assert len(pages.seen) == seen
