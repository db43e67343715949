"""The address the server listens on: bound before a model is loaded. Knows no server."""

import errno
import socket

from mlx_responses.errors import Failure

from .settings import Settings


class CannotListen(Failure):
    """The address is taken, or is not this machine's; the message says what to do."""


def bind(settings: Settings) -> socket.socket:
    """A bound socket that does not listen yet: a port in use is known before a model is loaded."""
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host!r}: {error.strerror}.") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise cannot_listen(settings, error) from error
    return listener


def cannot_listen(settings: Settings, error: OSError) -> CannotListen:
    """What the system's refusal means, and what to do about it."""
    what = f"cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
    if error.errno == errno.EADDRINUSE:
        fix = "Stop the program that has it, or choose another with --port (0 picks a free one)."
    else:
        fix = "Choose another with --host and --port."
    return CannotListen(what + fix)
