"""The address the server listens on: bound before a model is loaded. Knows no server."""

import errno
import logging
import resource
import socket

from mlx_responses.errors import Failure

from .settings import Settings

log = logging.getLogger(__name__)

OTHER_FILES = 128
"""Files that are open beside connections: models, the database, caches, logs."""

UNREAD_BYTES = 256 * 1024
"""What the system keeps of what a client has not read; it would take megabytes of each."""


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
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise cannot_listen(settings, error) from error
    return listener


def make_room(connections: int) -> int:
    """How many connections there can be, of those wanted: each is an open file, of which macOS
    gives a process 256 unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        except (OSError, ValueError) as error:
            log.warning("the limit of open files stays at %d: %s", soft, error)
        if soft < wanted:
            connections = max(1, soft - OTHER_FILES)
            log.warning("%d connections at once: %d files may be open", connections, soft)
    return connections


def cannot_listen(settings: Settings, error: OSError) -> CannotListen:
    """What the system's refusal means, and what to do about it."""
    what = f"cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
    if error.errno == errno.EADDRINUSE:
        fix = "Stop the program that has it, or choose another with --port (0 picks a free one)."
    else:
        fix = "Choose another with --host and --port."
    return CannotListen(what + fix)
