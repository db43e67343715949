"""The one HTTP client of the verbs, and how they find the server that runs.

Knows URLs, keys and frames; does not know what an answer means.
"""

import argparse
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

from mlx_responses.errors import Failure

from ..runfile import Server, find_server
from ..settings import ENVIRONMENT_PREFIX, add_config, environment, read_settings

Json = dict[str, Any]

ANSWER_SECONDS = 30.0
"""For an answer that needs no model: longer than a step of a large one."""
CONNECT_SECONDS = 5.0


class NoServer(Failure):
    """Nothing answers; the message says how to start one."""


class Refused(Failure):
    """The server answered with an error: its message, and what the command line can do about it."""


def add_server_flags(parser: argparse.ArgumentParser) -> None:
    """How a verb is told which server it asks."""
    group = parser.add_argument_group("the server")
    group.add_argument("--url", help="its address; default: the one that runs here")
    group.add_argument("--key", help=f"API key, where it wants one ({ENVIRONMENT_PREFIX}KEY)")
    group.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="its data directory")
    add_config(group)


class Client:
    """A server's JSON, over one connection kept open. Every method may raise `NoServer`, `Refused`.

    default_model  what it loaded at start, where that is known
    certificate    the server's own, where that is known: then no other is taken
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        default_model: str | None = None,
        certificate: Path | None = None,
    ) -> None:
        self.url = url
        self._default_model = default_model
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # No proxy that the environment names: the server is here, or was named by address.
        self._http = httpx.Client(
            base_url=url, headers=headers, trust_env=False, verify=_trusting(certificate)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.close()

    @property
    def model(self) -> str:
        """The model to ask where nobody named one: the default, or else the first that is there."""
        if self._default_model is None:
            self._default_model = str(self.get("/v1/models")["data"][0]["id"])
        return self._default_model

    def get(self, path: str, **params: str | int) -> Json:
        """The JSON at a path."""
        return self._json("GET", path, params=params)

    def post(self, path: str, body: object) -> Json:
        """The JSON that answers a body; a model may take its time."""
        return self._json("POST", path, json=body, timeout=None)

    def delete(self, path: str) -> Json:
        """The JSON that confirms a deletion."""
        return self._json("DELETE", path)

    def load(self, model: str) -> None:
        """Have a model in memory: by the shortest turn there is, of which nothing is kept."""
        body = {"model": model, "input": "Hi", "max_output_tokens": 1, "store": False}
        self.post("/v1/responses", body)

    def stream(self, path: str, body: Json) -> Iterator[Json]:
        """The events of an answer as they come; leaving early ends the turn."""
        wait = httpx.Timeout(None, connect=CONNECT_SECONDS)
        try:
            with self._http.stream("POST", path, json=body, timeout=wait) as answer:
                if answer.is_error:
                    answer.read()
                self._check(answer)
                for line in answer.iter_lines():
                    if line.startswith("data: {"):
                        yield msgspec.json.decode(line.removeprefix("data: "))
        except httpx.TransportError as error:
            raise self._silent(error) from error

    def _json(self, method: str, path: str, **options: Any) -> Json:
        options.setdefault("timeout", ANSWER_SECONDS)
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._silent(error) from error
        self._check(answer)
        try:
            found: Json = msgspec.json.decode(answer.content)
        except msgspec.DecodeError as error:
            raise self._stranger() from error
        return found

    def _check(self, answer: httpx.Response) -> None:
        if not answer.is_error:
            return
        try:
            message = str(msgspec.json.decode(answer.content)["error"]["message"])
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise self._stranger() from error
        if answer.status_code == 401:
            message += f" Give the key with --key, or in {ENVIRONMENT_PREFIX}KEY."
        raise Refused(message)

    def _stranger(self) -> NoServer:
        return NoServer(f"What answers at {self.url} is no mlx-responses. Name another with --url.")

    def _silent(self, error: httpx.TransportError) -> NoServer:
        return NoServer(
            f"{self.url} does not answer: {str(error) or type(error).__name__}. It may be loading "
            "its model, or have ended: `mlx-responses ps` and `mlx-responses logs` tell."
        )


def is_named(arguments: argparse.Namespace) -> bool:
    """Whether a flag or a variable says which server is meant."""
    return bool(arguments.url or environment().get(f"{ENVIRONMENT_PREFIX}URL"))


def running(arguments: argparse.Namespace) -> Server | None:
    """The server of the data folder that the flags choose."""
    return find_server(read_settings(vars(arguments)).data_folder)


def connect(arguments: argparse.Namespace) -> Client:
    """The server that was named, or the one that runs. Raises `NoServer`."""
    known = environment()
    key = arguments.key or known.get(f"{ENVIRONMENT_PREFIX}KEY")
    url = arguments.url or known.get(f"{ENVIRONMENT_PREFIX}URL")
    if url:
        if not url.startswith(("http://", "https://")):
            raise Failure(f"--url must begin with http:// or https://, not {url!r}.")
        return Client(url.rstrip("/").removesuffix("/v1"), key)
    server = running(arguments)
    if server is None:
        folder = read_settings(vars(arguments)).data_folder
        raise NoServer(
            f"No server runs with the data in {folder}. Start one: mlx-responses serve. Or name "
            "one with --url."
        )
    certificate = Path(server.certificate) if server.certificate else None
    return Client(server.url, key, server.model, certificate)


def _trusting(certificate: Path | None) -> ssl.SSLContext | bool:
    """The usual authorities; or the one certificate, by whatever name its server is called."""
    if certificate is None:
        return True
    try:
        context = ssl.create_default_context(cafile=certificate)
    except OSError as error:
        raise Failure(f"tls_cert: {certificate} cannot be read: {error}.") from error
    context.check_hostname = False
    return context
